# shellcheck shell=sh
# Adopts changes that were made to an account on the server (a revocation that was pushed from another machine, say) before
# the nsc store is edited. The resolver's directory is read, not the server asked: it is there whether the server runs or
# not. A JWT in it is trusted when a key of this operator has signed it, and for no other reason.

# adopt_server_changes SERVER_DIR
adopt_server_changes() {
  local id account
  while read -r id account; do
    adopt_account "$1" "$account" "$id"
  done <"$scratch/accounts"
}

# adopt_account SERVER_DIR NAME ID
adopt_account() {
  local account="$2" id="$3" held="$scratch/held.jwt" stored rolled_back=false what
  stored=$(account_file "$account")
  read_account_jwt "$1" "$id" "$held" || return 0
  if same_file "$held" "$stored"; then
    record_in_sync "$account" "$id" "$stored"
    return
  fi
  # The store is ahead: nats-push will send it.
  ! known_on_server "$id" "$held" || return 0
  if ! is_signed "$held"; then
    log "the server's copy of account $account was cut short or altered: its signature is not valid. It will be sent again"
    return
  fi
  if ! is_of_operator "$held"; then
    overwrite_foreign "$account" "$id" "$held" "is signed by $(query_jwt "$held" 'claims.iss'), which is no key of operator $operator"
    return
  fi
  if ! is_account "$account" "$id" "$held"; then
    overwrite_foreign "$account" "$id" "$held" "is the JWT of another account"
    return
  fi
  ! server_rolled_back "$id" "$held" || rolled_back=true
  if [ "$NATS_CONFLICT" = server ] || { known_on_server "$id" "$stored" && ! $rolled_back; }; then
    adopt_jwt "$account" "$id" "$held"
  elif [ "$NATS_CONFLICT" = store ]; then
    log "account $account: the store's version replaces the server's, as NATS_CONFLICT=store says"
    record_on_server "$id" "$held"
  else
    if $rolled_back; then what="is older on the server than it was when they last agreed"; else what="was changed both in the nsc store and on the server since they last agreed"; fi
    fail "account $account $what. Nothing was changed. Run again with NATS_CONFLICT=server to take the server's version, or NATS_CONFLICT=store to overwrite it with the store's"
  fi
}

# server_rolled_back ID HELD: the server holds an older JWT than it was last seen to hold, because a backup was restored
server_rolled_back() {
  local seen
  seen=$(pushed_file "$1")
  [ -e "$seen" ] && [ "$(query_jwt "$2" 'claims.iat')" -lt "$(query_jwt "$seen" 'claims.iat')" ]
}

# adopt_jwt NAME ID HELD: the server's version becomes the store's. The record of what nats-init had applied to the older
# version and not yet pushed is removed with it, and applied again to this one.
adopt_jwt() {
  install_file "$3" "$(account_file "$1")" 600
  record_on_server "$2" "$3"
  if is_application_account "$1"; then
    rm -rf "$store/recipe/applied"
    [ ! -e "$store/recipe/pushed-applied" ] || cp -R "$store/recipe/pushed-applied/." "$store/recipe/applied"
  fi
  log "account $1: adopted what was changed on the server"
}

# overwrite_foreign NAME ID HELD WHAT: a JWT that was signed by another key, or for another account, is never in force
# with this operator. It may come from another state of the store, so it is overwritten only when NATS_CONFLICT says so.
overwrite_foreign() {
  [ "$NATS_CONFLICT" = store ] ||
    fail "what the server holds for account $1 ($2) $4. Nothing was changed. Run again with NATS_CONFLICT=store to overwrite it with the store's"
  log "account $1: what the server holds $4; the store's version replaces it, as NATS_CONFLICT=store says"
  record_on_server "$2" "$3"
}

# list_unedited_accounts: $scratch/unedited, the accounts whose JWT in the store nothing but nats-init has changed
list_unedited_accounts() {
  local id account
  while read -r id account; do
    ! known_on_server "$id" "$(account_file "$account")" || echo "$id $account"
  done <"$scratch/accounts" >"$scratch/unedited"
}

# record_own: notes what this run made of the unedited accounts
record_own() {
  local id account stored
  mkdir -p "$store/recipe/own"
  while read -r id account; do
    stored=$(account_file "$account")
    same_file "$stored" "$(pushed_file "$id")" || same_file "$stored" "$(own_file "$id")" ||
      install_file "$stored" "$(own_file "$id")" 600
  done <"$scratch/unedited"
}
