# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Takes in what was changed on the server's side (a revocation pushed from elsewhere, say) before anything is
# edited. The resolver's directory is read, not the server asked: it is there whether the server runs or not. A JWT from
# there is believed when a key of this operator has signed it, and nothing else about it is.

take_in() {
  while read -r id account; do
    take_in_account "$account" "$id"
  done <"$scratch/accounts"
}

take_in_account() {
  mine=$(account_file "$1")
  if ! read_held "$2"; then
    :
  elif same "$held" "$mine"; then
    record_pushed "$1" "$2" "$mine"
  elif known_on_server "$2" "$held"; then
    : # the store is ahead: nats-push will send it
  elif ! is_signed "$held"; then
    say "the server's copy of account $1 was cut short or altered: its signature is not valid. It will be sent again"
  elif ! is_of_operator "$held" || ! is_account "$1" "$2" "$held"; then
    refuse_foreign "$1" "$2"
  elif known_on_server "$2" "$mine" && ! went_back "$2"; then
    accept "$1" "$2"
  else
    case $NATS_CONFLICT in
      server) accept "$1" "$2" ;;
      store)
        say "account $1: the store's version wins over the server's, as NATS_CONFLICT=store asks"
        remember_pushed "$2" "$held"
        ;;
      *)
        if went_back "$2"; then how="is older on the server than it was when they last agreed"; else how="was changed both in the nsc store and on the server since they last agreed"; fi
        fail "account $1 $how. Nothing was changed. Run again with NATS_CONFLICT=server to take the server's version, or NATS_CONFLICT=store to overwrite it with the store's"
        ;;
    esac
  fi
}

# went_back ID: the server holds something older than it was last seen to hold: a backup was brought back there
went_back() {
  seen=$(pushed_file "$1")
  [ -e "$seen" ] && [ "$(ask "$held" 'claims.iat')" -lt "$(ask "$seen" 'claims.iat')" ]
}

# accept NAME ID: the server's version becomes the store's. What nats-init had made of the older version and not
# yet pushed is forgotten with it, and made again on top.
accept() {
  install_file "$held" "$mine" 600
  remember_pushed "$2" "$held"
  if runs_here "$1"; then
    rm -rf "$store/recipe/applied"
    [ ! -e "$store/recipe/pushed-applied" ] || cp -R "$store/recipe/pushed-applied/." "$store/recipe/applied"
  fi
  say "account $1: took in what was changed on the server's side"
}

# refuse_foreign NAME ID: what the server holds was signed by another key, or for another account: never in force with
# this operator, but perhaps another state of it that is worth a look
refuse_foreign() {
  if ! is_of_operator "$held"; then
    how="is signed by $(ask "$held" 'claims.iss'), which is no key of operator $operator"
  else
    how="is the JWT of another account"
  fi
  [ "$NATS_CONFLICT" = store ] ||
    fail "what the server holds for account $1 ($2) $how. Nothing was changed. Run again with NATS_CONFLICT=store to overwrite it with the store's"
  say "account $1: what the server holds $how; the store's version wins, as NATS_CONFLICT=store asks"
  remember_pushed "$2" "$held"
}

# find_clean_accounts: those whose JWT in the store nobody but nats-init has changed
find_clean_accounts() {
  while read -r id account; do
    ! known_on_server "$id" "$(account_file "$account")" || echo "$id $account"
  done <"$scratch/accounts" >"$scratch/clean"
}

# remember_own: mark what this run made of a state that nobody else had changed
remember_own() {
  mkdir -p "$store/recipe/own"
  while read -r id account; do
    mine=$(account_file "$account")
    same "$mine" "$(pushed_file "$id")" || same "$mine" "$(own_file "$id")" || install_file "$mine" "$(own_file "$id")" 600
  done <"$scratch/clean"
}
