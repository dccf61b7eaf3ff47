#!/bin/sh
# Brings the accounts of the nsc store into force on every server, and is done only when they are: each server
# says so, and a user of every role can log in. Then it removes consumers that deliver where they should not, and makes
# the streams that are missing.
set -eu

name=nats-push
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"
# shellcheck source=server.sh
. "$here/server.sh"
# shellcheck source=users.sh
. "$here/users.sh"
# shellcheck source=login.sh
. "$here/login.sh"
# shellcheck source=streams.sh
. "$here/streams.sh"
# shellcheck source=consumers.sh
. "$here/consumers.sh"

need SERVER_DIR STREAMS_DIR NATS_URL NATS_WS_URL
patience=${PUSH_PATIENCE:-30} # seconds to wait for a server
check_streams
use_current
system_creds=system.creds
ln -s "$store/keys/creds/$operator/SYS/sys.creds" "$scratch/$system_creds"
creds=$system_creds

push_accounts() {
  sent=0
  while read -r id account; do
    push_account "$account" "$id"
  done <"$scratch/accounts"
}

# push_account NAME ID: send what the store says, unless the server holds something that came from elsewhere
push_account() {
  mine=$(account_file "$1")
  look_up "$1" "$2" >"$scratch/held.jwt"
  if same "$mine" "$scratch/held.jwt"; then
    record_pushed "$1" "$2" "$mine"
    return
  fi
  if is_signed "$scratch/held.jwt" && ! known_on_server "$2" "$scratch/held.jwt"; then
    [ ! -e "$(pushed_file "$2")" ] || fail "account $1 was changed on the server since nats-init looked. Nothing was pushed; ${AGAIN_HINT:-run nats-init again}"
    fail "the server holds an account $1 that this nsc store has never seen. Nothing was pushed; ${AGAIN_HINT:-run nats-init again}"
  fi
  update_claims "$1" "$mine"
  record_pushed "$1" "$2" "$mine"
  sent=$((sent + 1))
  say "pushed account $1"
}

check_in_force() {
  while read -r id account; do
    wait_in_force "$account" "$id"
  done <"$scratch/accounts"
}

# name_forgotten: an account that was deleted in the store is not deleted on servers; that would drop its data
name_forgotten() {
  for file in "$store"/recipe/pushed/*.jwt; do
    id=$(basename "$file" .jwt)
    grep -q "^$id " "$scratch/accounts" || say "account $id is no longer in the nsc store, but servers keep it"
  done
}

wait_for_server
take_configuration
push_accounts
with_users check_logins
check_in_force
name_forgotten
with_users sweep_consumers
with_users make_streams
if [ "$sent" = 0 ]; then say "nothing to push: all is in force"; else say "all is in force"; fi
