# shellcheck shell=sh
# The nsc store. It is edited on a copy, which then replaces it as a whole: edit_store.
#
#   $NSC_DIR/current -> generations/<any>   the store in force
#   $NSC_DIR/previous -> generations/<any>  the one before it
#     stores/ keys/                         nsc's own: JWTs, and private keys by public key
#     recipe/                               what the recipe records (see sync.sh)
#   $NSC_DIR/{nats,nkeys}                   where nsc looks by default in a nats-box container
#   $NSC_DIR/lock                           held while the links change, and while a generation is copied
#
# What nats-push records about the server (recipe/pushed) is written into the store in force, under the lock and without a
# copy: it is no change that an operator would want to go back from. A copy that was made before lacks it, and so can't
# become the store in force any more.
#
# nsc writes its files in place: killed at the wrong moment it leaves an empty JWT. Here that damages only a copy, which
# nothing points to.
#
# State: $store              the generation that the script reads, or the copy that it edits
#        $base               the generation that the copy was made from; empty for a new store
#        $base_records       what was recorded there about the server then: records_of
#        $operator           the name of the store's operator
#        $operator_dir       nsc's directory of the operator, in $store
#        $scratch/accounts   "ID NAME" of each account, one per line
store=
base=
base_records=
operator=
operator_dir=

# nsc_on STORE ARGUMENT...: nsc on a store, regardless of nsc's own configuration
nsc_on() {
  local dir="$1"
  shift
  (cd "$scratch" && command nsc --config-dir "$scratch/nsc" --data-dir "$dir/stores" --keystore-dir "$dir/keys" "$@" </dev/null)
}

nsc() { nsc_on "$store" "$@"; }

# run_nsc_on STORE ARGUMENT...: nsc, silent unless it fails
run_nsc_on() { nsc_on "$@" >"$scratch/nsc.log" 2>&1 || fail "nsc $2 $3 failed: $(cat "$scratch/nsc.log")"; }

run_nsc() { run_nsc_on "$store" "$@"; }

has_store() { [ -L "$NSC_DIR/current" ]; }

require_store() { has_store || fail "there is no nsc store in $NSC_DIR yet: nats-init makes it"; }

# use_store: reads the store in force
use_store() {
  require_store
  store=$NSC_DIR/$(readlink "$NSC_DIR/current")
  find_operator || fail_damaged "it should hold one operator"
  list_accounts
}

# edit_store FUNCTION [ARGUMENT...]: calls FUNCTION to edit $store, a copy of the store in force, or an empty one where
# there is none. The copy becomes the store in force if it differs and passes the checks. Killed at any point, this leaves
# the old store or the new one. Of several runs at the same time, one that would replace another one's change fails.
# Afterwards $store is the store in force. Don't call it in a condition: there set -e would not stop a FUNCTION that fails.
edit_store() {
  local problem
  open_copy
  "$@"
  if copy_differs; then
    problem=$(store_problem)
    [ -z "$problem" ] ||
      fail "that would leave a store that the recipe can't work with ($problem). Nothing was changed"
    switch_over
  else
    rm -rf "$store"
  fi
  use_store
}

# open_copy: the lock keeps the generation from being removed while it is copied
open_copy() {
  local problem
  mkdir -p "$NSC_DIR/generations"
  lock "$NSC_DIR/lock"
  has_store || repair_link
  base=
  if has_store; then
    base=$(readlink "$NSC_DIR/current")
    [ -d "$NSC_DIR/$base" ] || fail_damaged "$NSC_DIR/current points to nothing"
    remove_leftovers
  fi
  store=$(mktemp -d "$NSC_DIR/generations/part-XXXXXX")
  remove_at_exit "$store"
  if [ -n "$base" ]; then
    cp -R "$NSC_DIR/$base/." "$store"
    base_records=$(records_of "$NSC_DIR/$base")
  fi
  unlock
  if [ -n "$base" ]; then
    problem=$(store_problem)
    [ -z "$problem" ] || fail_damaged "$problem"
    find_operator
    list_accounts
  else
    mkdir "$store/stores" "$store/keys" "$store/recipe"
  fi
}

# repair_link: makes a missing link to the store in force again. A generation that is not a part-… is complete. The link
# may be missing because a run was killed at that moment, or because a backup was restored without it.
repair_link() {
  local generation previous found=
  previous=$(linked_generation previous)
  for generation in "$NSC_DIR"/generations/*/; do
    generation=${generation%/}
    generation=${generation##*/}
    case $generation in
      '*' | part-* | "$previous") ;;
      *) found="${found:+$found }$generation" ;;
    esac
  done
  [ -n "$found" ] || [ ! -d "$NSC_DIR/generations/${previous:-none}" ] || found=$previous
  case $found in
    "") ;;
    *" "*) fail_damaged "$NSC_DIR/current is missing, and there are several generations that it could point to: $found" ;;
    *) replace_link "$NSC_DIR/current" "generations/$found" ;;
  esac
}

# linked_generation LINK: the name of the generation that a link in $NSC_DIR points to; nothing where there is no link
linked_generation() {
  local target
  target=$(readlink "$NSC_DIR/$1") || return 0
  printf '%s\n' "${target##*/}"
}

# records_of GENERATION: one word that changes with what is recorded there about the server
records_of() {
  (cd "$1/recipe" && { readlink pushed-applied || true; find pushed own -type f -exec cksum {} + | sort; } 2>/dev/null) | fingerprint -
}

# copy_differs: $store differs from the generation that it was copied from
copy_differs() { [ -z "$base" ] || ! diff -r "$NSC_DIR/$base" "$store" >/dev/null 2>&1; }

# switch_over: makes the copy the store in force, in one step. The one that it replaces is kept as the previous one, and
# the previous one is removed.
switch_over() {
  local whole dropped
  fsync_tree "$store"
  lock "$NSC_DIR/lock"
  { [ "$base" = "$(readlink "$NSC_DIR/current" || true)" ] &&
    { [ -z "$base" ] || [ "$(records_of "$NSC_DIR/$base")" = "$base_records" ]; }; } ||
    fail "the nsc store was changed by another run at the same time. Nothing was changed here; run again"
  whole=generations/${store##*/part-}
  mv "$store" "$NSC_DIR/$whole"
  dropped=$(linked_generation previous)
  [ -z "$base" ] || replace_link "$NSC_DIR/previous" "$base"
  replace_link "$NSC_DIR/current" "$whole"
  # After a return to the previous store, both links name the same one.
  [ -z "$dropped" ] || [ "generations/$dropped" = "$base" ] || rm -rf "$NSC_DIR/generations/$dropped"
  link_default_paths
  unlock
}

# remove_leftovers: what a killed run left behind. Younger copies are kept, since another run may still edit them.
remove_leftovers() {
  find "$NSC_DIR/generations" -mindepth 1 -maxdepth 1 -mmin +60 \
    ! -name "$(linked_generation current)" ! -name "$(linked_generation previous)" -exec rm -rf {} +
  find "$NSC_DIR" -maxdepth 1 \( -name 'current.*' -o -name 'previous.*' \) -mmin +60 -exec rm -f {} +
}

# link_default_paths: lets nsc without options find the store in a nats-box container, whose environment names these paths
link_default_paths() {
  mkdir -p "$NSC_DIR/nats/nsc"
  [ -L "$NSC_DIR/nats/nsc/stores" ] || replace_link "$NSC_DIR/nats/nsc/stores" ../../current/stores
  [ -L "$NSC_DIR/nkeys" ] || replace_link "$NSC_DIR/nkeys" current/keys
}

# store_problem: why the recipe can't work with $store, as a sentence; nothing for a good store
store_problem() {
  local jwt account
  # One line for each file: jq 1.6 joins the last line of a file without a line end with the next file.
  find "$store/stores" "$store/recipe" -name '*.jwt' | while IFS= read -r jwt; do
    printf '%s\t%s\n' "${jwt##*/}" "$(cat "$jwt")"
  done | jq -Rr -L "$lib" 'include "jwt"; split("\t") | select((.[1] | claims) == null) | .[0]' >"$scratch/broken"
  if [ -s "$scratch/broken" ]; then
    printf '%s is not a JWT' "$(head -n 1 "$scratch/broken")"
  elif ! find_operator; then
    printf 'it should hold one operator'
  elif ! account=$(application_account 2>/dev/null); then
    printf 'recipe/account is missing'
  elif [ ! -f "$(account_file "$account")" ]; then
    printf 'account %s is missing' "$account"
  fi
}

fail_damaged() {
  fail "the nsc store in $NSC_DIR is damaged: $1. Bring back a backup of it, or start anew, with new keys: ${RESET_HINT:-remove it}"
}

# find_operator: sets $operator and $operator_dir. False unless the store holds one operator.
find_operator() {
  set -- "$store"/stores/*/
  operator_dir=${1%/}
  operator=${operator_dir##*/}
  [ $# = 1 ] && [ -f "$operator_dir/.nsc" ]
}

# account_file NAME: where nsc keeps an account's JWT
account_file() { printf '%s/accounts/%s/%s.jwt' "$operator_dir" "$1" "$1"; }

# list_accounts: writes $scratch/accounts
list_accounts() {
  local dir account
  for dir in "$operator_dir"/accounts/*/; do
    account=${dir%/}
    account=${account##*/}
    printf '%s\t%s\n' "$account" "$(cat "$dir$account.jwt")"
  done | jq -Rr -L "$lib" 'include "jwt"; split("\t") | "\(.[1] | claims.sub) \(.[0])"' >"$scratch/accounts"
}

# account_id NAME
account_id() {
  local id account
  while read -r id account; do
    [ "$account" != "$1" ] || printf '%s\n' "$id"
  done <"$scratch/accounts"
}

# application_account: the name of the account that the recipe's settings and roles are for
application_account() {
  local account
  read -r account <"$store/recipe/account" && printf '%s\n' "$account"
}

is_application_account() { [ "$1" = "$(application_account)" ]; }

# recorded_plain_key: the public key of the application account's plain signing key
recorded_plain_key() { jq -r '.signing_key // empty' "$store/recipe/applied/account.json"; }

# seed_file PUBLIC_KEY: where nsc keeps a private key
seed_file() { printf '%s/keys/keys/%.1s/%.2s/%s.nk' "$store" "$1" "${1#?}" "$1"; }
