#!/bin/sh
# Writes out the keys that others need, and no more: the account's plain signing key for trusted backends, and
# for the mint one key per role, which can't give more than that role.
set -eu

name=nats-export
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"

need KEYS_DIR SECRETS_DIR
check_own_dir "$KEYS_DIR"
use_current
account=$(cat "$store/recipe/account")
applied=$store/recipe/applied
changed=false

# seed PUBLIC_KEY: the private key, from the store
seed() {
  [ -s "$(seed_file "$1")" ] || damaged "the private key of $1 is missing"
  cat "$(seed_file "$1")"
}

# owner_of FILE: "uid:gid"
# shellcheck disable=SC2012 # stat has no spelling that GNU, busybox and BSD share
owner_of() { ls -nd "$1" | awk '{ print $3 ":" $4 }'; }

# export_account: $SECRETS_DIR/.env.account, for the checkout's owner
export_account() {
  plain_key=$(jq -r .signing_key "$applied/account.json")
  secret=$(seed "$plain_key")
  owner=$(owner_of "$here")
  printf 'NATS_ACCOUNT_KEY=%s\nNATS_ACCOUNT_SECRET=%s\n' "$(account_id "$account")" "$secret" >"$scratch/env"
  [ ! -L "$SECRETS_DIR/.env.account" ] && [ -f "$SECRETS_DIR/.env.account" ] && same "$scratch/env" "$SECRETS_DIR/.env.account" && return
  for left in "$SECRETS_DIR"/.part-*; do
    [ -L "$left" ] || rm -f "$left/.env.account"
    rmdir "$left" 2>/dev/null || true
  done
  aside=$(mktemp -d "$SECRETS_DIR/.part-XXXXXX")
  (place_account) || fail "$SECRETS_DIR/.env.account can't be written. It should be a file: remove what stands there"
  rmdir "$aside"
  changed=true
  say "wrote .env.account, for trusted backends"
}

# place_account: others may be able to write to $SECRETS_DIR, and put links and pipes there at any moment. So the file is
# made inside of a directory of this user, which is entered once and then not named any more.
place_account() {
  cd -P "$aside" && [ "$(basename "$(pwd -P)")" = "${aside##*/}" ] && check_own_dir . &&
    cp "$scratch/env" .env.account &&
    { [ "$(id -u)" != 0 ] || chown "$owner" .env.account; } &&
    move_over .env.account ../.env.account
}

# export_roles: $KEYS_DIR/current -> a directory with account.jwt, roles.json and one <role>.nk per role. A reader
# that follows the link once sees one export and never half of two.
export_roles() {
  version=$scratch/version
  mkdir "$version"
  cp "$(account_file "$account")" "$version/account.jwt"
  ask "$version/account.jwt" 'claims.nats.signing_keys[] | objects | .key' >"$scratch/scoped"
  for record in "$applied"/roles/*.json; do
    role=$(basename "$record" .json)
    key=$(jq -r .key "$record")
    # a role that lost its key on the server's side is not given out
    grep -qx "$key" "$scratch/scoped" || continue
    seed "$key" >"$version/$role.nk"
    jq -c --arg role "$role" '{ ($role): { ttl: (.role.ttl // 900) } }' "$record" >>"$scratch/roles"
  done
  jq -sc add "$scratch/roles" >"$version/roles.json"
  if [ -L "$KEYS_DIR/current" ] && diff -r "$version" "$KEYS_DIR/current/" >/dev/null 2>&1; then return; fi
  place_version
  changed=true
  say "wrote the keys of $(cd "$version" && echo *.nk | sed 's/\.nk//g'), for the mint"
}

# place_version: beside the versions that are there, then switch, then drop all but the one that may still be read
place_version() {
  previous=$(readlink "$KEYS_DIR/current" 2>/dev/null || true)
  case $previous in *[!0-9]*) previous= ;; esac
  number=$((${previous:-0} + 1))
  rm -rf "${KEYS_DIR:?}/$number"
  cp -R "$version" "$KEYS_DIR/$number"
  give "${MINT_OWNER:-}" "$KEYS_DIR/$number"
  settle "$KEYS_DIR/$number"
  point "$KEYS_DIR/current" "$number"
  for old in "$KEYS_DIR"/[0-9]*; do
    case ${old##*/} in "$number" | "${previous:-$number}") ;; *) rm -rf "$old" ;; esac
  done
}

export_account
export_roles
$changed || say "nothing to change"
