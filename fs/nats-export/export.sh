#!/bin/sh
# Writes out the keys that other programs need, and no more: the account's plain signing key for trusted backends, and
# for the mint one key per role, which can't grant more than that role.
set -eu

name=nats-export
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"

require_env KEYS_DIR SECRETS_DIR
check_own_dir "$KEYS_DIR"
use_store
changed=false

# print_seed PUBLIC_KEY: the private key, from the store
print_seed() {
  [ -s "$(seed_file "$1")" ] || fail_damaged "the private key of $1 is missing"
  cat "$(seed_file "$1")"
}

# owner_of FILE: "uid:gid"
# shellcheck disable=SC2012 # stat has no spelling that GNU, busybox and BSD share
owner_of() { ls -nd "$1" | awk '{ print $3 ":" $4 }'; }

# export_account: $SECRETS_DIR/.env.account, which belongs to the checkout's owner
export_account() {
  local file="$SECRETS_DIR/.env.account" seed dir
  seed=$(print_seed "$(recorded_plain_key)")
  printf 'NATS_ACCOUNT_KEY=%s\nNATS_ACCOUNT_SECRET=%s\n' "$(account_id "$(application_account)")" "$seed" >"$scratch/env"
  [ ! -L "$file" ] && [ -f "$file" ] && same_file "$scratch/env" "$file" && return
  for dir in "$SECRETS_DIR"/.part-*; do
    [ -L "$dir" ] || rm -f "$dir/.env.account"
    rmdir "$dir" 2>/dev/null || true
  done
  dir=$(mktemp -d "$SECRETS_DIR/.part-XXXXXX")
  (install_account "$dir" "$(owner_of "$here")") || fail "$file can't be written. It should be a file: remove what is there"
  rmdir "$dir"
  changed=true
  log "wrote .env.account, for trusted backends"
}

# install_account DIR OWNER: Other users may be able to write to $SECRETS_DIR, and put links and pipes there at any moment.
# So the file is made inside of DIR, which belongs to this user, and whose path is not used any more once it is entered.
install_account() {
  cd -P "$1" && [ "$(basename "$(pwd -P)")" = "${1##*/}" ] && check_own_dir . &&
    cp "$scratch/env" .env.account &&
    { [ "$(id -u)" != 0 ] || chown "$2" .env.account; } &&
    move_over .env.account ../.env.account
}

# export_roles: $KEYS_DIR/current -> a directory with account.jwt, roles.json and one <role>.nk per role. A reader
# that resolves the link once sees one export as a whole.
export_roles() {
  local version="$scratch/version" role key ttl
  mkdir "$version"
  cp "$(account_file "$(application_account)")" "$version/account.jwt"
  query_jwt "$version/account.jwt" 'claims.nats.signing_keys[] | objects | .key' >"$scratch/scoped"
  jq -r '"\(.key) \(.role.ttl // 900) \(input_filename | split("/")[-1] | rtrimstr(".json"))"' \
    "$store"/recipe/applied/roles/*.json >"$scratch/records"
  while read -r key ttl role; do
    # The key of a role may have been removed from the account on the server.
    grep -qx "$key" "$scratch/scoped" || continue
    print_seed "$key" >"$version/$role.nk"
    printf '{"%s":{"ttl":%s}}\n' "$role" "$ttl" >>"$scratch/roles"
  done <"$scratch/records"
  jq -sc add "$scratch/roles" >"$version/roles.json"
  if [ -L "$KEYS_DIR/current" ] && diff -r "$version" "$KEYS_DIR/current/" >/dev/null 2>&1; then return; fi
  install_version "$version"
  changed=true
  log "wrote the keys of $(cd "$version" && echo *.nk | sed 's/\.nk//g'), for the mint"
}

# install_version DIR: copies it beside the versions that are there, switches over, and removes all others but the
# previous one, which a reader may still use
install_version() {
  local previous number old
  previous=$(readlink "$KEYS_DIR/current" 2>/dev/null || true)
  case $previous in *[!0-9]*) previous= ;; esac
  number=$((${previous:-0} + 1))
  link_copy "$1" "$KEYS_DIR/current" "$number" "${MINT_OWNER:-}"
  for old in "$KEYS_DIR"/[0-9]*; do
    case ${old##*/} in "$number" | "${previous:-$number}") ;; *) rm -rf "$old" ;; esac
  done
}

export_account
export_roles
$changed || log "nothing to change"
