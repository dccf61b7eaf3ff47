# shellcheck shell=sh
# The accounts of the nsc store are sent to the servers, and are in force there.
#
# State: $pushed   whether this run has sent an account
pushed=false

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
    record_in_force "$account" "$id" "$stored"
    return
  fi
  if is_signed "$held" && ! known_on_server "$id" "$held"; then
    [ ! -e "$(pushed_file "$id")" ] || fail "account $account was changed on the server since nats-init looked. Nothing was pushed; ${AGAIN_HINT:-run nats-init again}"
    fail "the server holds an account $account that this nsc store has never seen. Nothing was pushed; ${AGAIN_HINT:-run nats-init again}"
  fi
  update_account_jwt "$account" "$stored"
  record_in_force "$account" "$id" "$stored"
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
