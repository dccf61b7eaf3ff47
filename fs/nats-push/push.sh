#!/bin/sh
# Brings the accounts of the nsc store into force on every server, and ends only when they are: each server reports it,
# and a user of every role can log in. Then it removes consumers that deliver where they should not, and makes the streams
# that are missing.
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
# shellcheck source=jetstream.sh
. "$here/jetstream.sh"
# shellcheck source=streams.sh
. "$here/streams.sh"
# shellcheck source=consumers.sh
. "$here/consumers.sh"

require_env SERVER_DIR STREAMS_DIR NATS_URL NATS_WS_URL
check_streams
use_store
use_system_user

push_accounts() {
  local id account
  while read -r id account; do
    push_account "$account" "$id"
  done <"$scratch/accounts"
}

# push_account NAME ID: sends the JWT of the store, unless the server holds one that was changed elsewhere
push_account() {
  local account="$1" id="$2" held="$scratch/held.jwt" stored
  stored=$(account_file "$account")
  lookup_account_jwt "$account" "$id" "$held"
  if same_file "$stored" "$held"; then
    record_in_sync "$account" "$id" "$stored"
    return
  fi
  if is_signed "$held" && ! known_on_server "$id" "$held"; then
    [ ! -e "$(pushed_file "$id")" ] || fail "account $account was changed on the server since nats-init looked. Nothing was pushed; ${AGAIN_HINT:-run nats-init again}"
    fail "the server holds an account $account that this nsc store has never seen. Nothing was pushed; ${AGAIN_HINT:-run nats-init again}"
  fi
  update_account_jwt "$account" "$stored"
  record_in_sync "$account" "$id" "$stored"
  pushed=true
  log "pushed account $account"
}

wait_until_in_force() {
  local id account
  while read -r id account; do
    wait_for_account "$account" "$id"
  done <"$scratch/accounts"
}

# report_deleted_accounts: servers keep an account that was deleted in the store, since deleting it would drop its data
report_deleted_accounts() {
  local file id
  for file in "$store"/recipe/pushed/*.jwt; do
    id=${file##*/}
    id=${id%.jwt}
    grep -q "^$id " "$scratch/accounts" || log "account $id is no longer in the nsc store, but servers keep it"
  done
}

pushed=false
wait_for_server
apply_server_config "$SERVER_DIR"
push_accounts
make_user_store
check_logins
wait_until_in_force
report_deleted_accounts
remove_foreign_consumers
make_streams
if $pushed; then log "all is in force"; else log "nothing to push: all is in force"; fi
