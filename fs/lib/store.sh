# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The nsc store, edited on a copy and switched over as a whole.
#
#   $NSC_DIR/current -> generations/<any>   the state in force
#   $NSC_DIR/previous -> generations/<any>  the state before it
#     stores/ keys/                         nsc's own: JWTs, and private keys by public key
#     recipe/                               what the recipe remembers (see sync.sh)
#   $NSC_DIR/{nats,nkeys}                   where nsc looks on its own in a nats-box container
#
# nsc writes its files in place: killed at the wrong moment it leaves an empty JWT. Here such a moment only
# ever hits a copy that nothing points to.

# nsc on the generation in $store, whatever nsc's own configuration says
nsc() {
  (cd "$scratch" && command nsc --config-dir "$scratch/nsc" --data-dir "$store/stores" --keystore-dir "$store/keys" "$@" </dev/null)
}

# edit ARGUMENT...: nsc, silent unless it fails
edit() { nsc "$@" >"$scratch/nsc.log" 2>&1 || fail "nsc $1 $2 failed: $(cat "$scratch/nsc.log")"; }

has_state() { [ -L "$NSC_DIR/current" ]; }

# use_current: read the state in force, change nothing
use_current() {
  has_state || fail "there is no nsc store in $NSC_DIR yet: nats-init makes it"
  store=$NSC_DIR/$(readlink "$NSC_DIR/current")
  read_names
}

# open_copy: $store becomes a copy of the state in force, or an empty one
open_copy() {
  mkdir -p "$NSC_DIR/generations"
  has_state || mend_link
  current=
  if has_state; then
    current=$(readlink "$NSC_DIR/current")
    [ -d "$NSC_DIR/$current" ] || damaged "$NSC_DIR/current points to nothing"
  fi
  store=$(mktemp -d "$NSC_DIR/generations/part-XXXXXX")
  copy=$store
  if has_state; then
    cp -R "$NSC_DIR/$current/." "$store"
    check_files
    read_names
  else
    mkdir "$store/stores" "$store/keys" "$store/recipe"
  fi
}

# mend_link: a generation that is not a part-… is whole. The link to it may be missing because a run was killed at
# that moment, or because a backup was brought back without it.
mend_link() {
  # shellcheck disable=SC2046 # one word per generation
  set -- $(cd "$NSC_DIR/generations" && find . -mindepth 1 -maxdepth 1 -type d ! -name 'part-*' ! -name "$(linked previous)" | sed 's|^\./||')
  case $# in
    0) ;;
    1) point "$NSC_DIR/current" "generations/$1" ;;
    *) damaged "$NSC_DIR/current is missing, and there are several generations that it could point to: $*" ;;
  esac
}

# check_files: no JWT of the state is empty or cut short
check_files() {
  find "$store/stores" "$store/recipe" -name '*.jwt' | while read -r jwt; do
    printf '%s\t%s\n' "${jwt##*/}" "$(cat "$jwt")"
  done | jq -Rr -L "$lib" 'include "jwt"; split("\t") | select((.[1] | claims) == null) | .[0]' >"$scratch/broken"
  [ ! -s "$scratch/broken" ] || damaged "$(head -n 1 "$scratch/broken") is not a JWT"
}

damaged() {
  fail "the nsc store in $NSC_DIR is damaged: $1. Bring back a backup of it, or start anew, with new keys: ${RESET_HINT:-remove it}"
}

# read_names: $operator, the one operator of the store, $operator_dir and $scratch/accounts
read_names() {
  operator_dir=$(find "$store/stores" -mindepth 1 -maxdepth 1 -type d)
  [ -f "$operator_dir/.nsc" ] || damaged "it should hold one operator"
  operator=$(basename "$operator_dir")
  list_accounts
}

# account_file NAME: where nsc keeps an account's JWT
account_file() { printf '%s/accounts/%s/%s.jwt' "$operator_dir" "$1" "$1"; }

# list_accounts: "ID NAME" of each account of the store, in $scratch/accounts
list_accounts() {
  for dir in "$operator_dir"/accounts/*/; do
    jwt=$(basename "$dir")
    printf '%s\t%s\n' "$jwt" "$(cat "$dir$jwt.jwt")"
  done | jq -Rr -L "$lib" 'include "jwt"; split("\t") | "\(.[1] | claims.sub) \(.[0])"' >"$scratch/accounts"
}

# account_id NAME
account_id() { sed -n "s/ $1\$//p" "$scratch/accounts"; }

# seed_file PUBLIC_KEY: where nsc keeps a private key
seed_file() {
  printf '%s/keys/keys/%.1s/%s/%s.nk' "$store" "$1" "$(printf '%s' "$1" | cut -c 2-3)" "$1"
}

# copy_differs: whether $store says anything else than the state in force
copy_differs() { ! has_state || ! diff -r "$NSC_DIR/$current" "$store" >/dev/null 2>&1; }

# check_store: the recipe can work with what $store says
check_store() {
  check_files
  read_names
  [ -f "$(account_file "$(cat "$store/recipe/account")")" ] || damaged "account $(cat "$store/recipe/account") is missing"
}

# linked NAME: the generation that a link of $NSC_DIR points to
linked() { readlink "$NSC_DIR/$1" | sed 's|.*/||'; }

# switch_over: make $store the state in force, in one step; keep the one that it replaces, and drop the one before that
switch_over() {
  settle "$store"
  lock "$NSC_DIR/lock"
  [ "$current" = "$(readlink "$NSC_DIR/current" || true)" ] ||
    fail "the nsc store was changed by somebody else at the same time. Nothing was changed here; run again"
  whole=generations/${store##*/part-}
  mv "$store" "$NSC_DIR/$whole"
  copy=
  dropped=$(linked previous)
  [ -z "$current" ] || point "$NSC_DIR/previous" "$current"
  point "$NSC_DIR/current" "$whole"
  unlock
  # after a return to the previous state, both links named the same one
  [ -z "$dropped" ] || [ "generations/$dropped" = "$current" ] || rm -rf "$NSC_DIR/generations/$dropped"
  point_nsc
}

# close_copy: leave the state in force as it is
close_copy() {
  rm -rf "$copy"
  copy=
}

# clear_leftovers: copies that a killed run left behind; a young one may be in somebody's hands
clear_leftovers() {
  find "$NSC_DIR/generations" -mindepth 1 -maxdepth 1 -mmin +60 ! -name "$(linked current)" ! -name "$(linked previous)" -exec rm -rf {} +
  find "$NSC_DIR" -maxdepth 1 \( -name 'current.*' -o -name 'previous.*' \) -mmin +60 -exec rm -f {} +
}

# point_nsc: let a plain nsc in a nats-box container, whose environment names these paths, find the store
point_nsc() {
  mkdir -p "$NSC_DIR/nats/nsc"
  [ -L "$NSC_DIR/nats/nsc/stores" ] || point "$NSC_DIR/nats/nsc/stores" ../../current/stores
  [ -L "$NSC_DIR/nkeys" ] || point "$NSC_DIR/nkeys" current/keys
}
