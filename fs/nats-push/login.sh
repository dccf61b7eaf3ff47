# shellcheck shell=sh
# The proof that accounts are in force: a user of each role logs in.

check_logins() {
  local key what types
  jq -r '[.key, "role " + (input_filename | split("/")[-1] | rtrimstr(".json")), (.role.connection_types // ["STANDARD"] | join(" "))] | @tsv' \
    "$store"/recipe/applied/roles/*.json >"$scratch/logins"
  printf '%s\tthe plain signing key\tSTANDARD\n' "$plain_key" >>"$scratch/logins"
  while IFS="$(printf '\t')" read -r key what types; do
    check_login "$key" "$what" "$types" || {
      log "account $users_account has all the connections that it may have, NATS_ACCOUNT_CONNECTIONS: logins, streams and consumers are not checked"
      return 0
    }
  done <"$scratch/logins"
}

# account_is_full: at the last poll_account, no user of the account could log in before another one disconnected
account_is_full() {
  jq -se 'map(.data.account_detail | objects) | (map(.client_connections) | add) as $count | first.decoded_jwt.nats.limits.conn as $most
      | $count != null and $most >= 0 and $count >= $most' "$(account_state "$(account_id "$users_account")")" >/dev/null
}

# check_login KEY WHAT TYPES: a user that KEY signs can log in by one of these connection types. False when the account is
# full; any other failure ends the script.
check_login() {
  local key="$1" what="$2" url try
  case " $3 " in
    *" STANDARD "*) url=$NATS_URL ;;
    *" WEBSOCKET "*) url=$NATS_WS_URL ;;
    *) return 0 ;; # the nats tool can't connect by any other type
  esac
  can_sign "$key" || return 0
  # A user that was made in the second in which all users were revoked is revoked too; the next one is not.
  for try in 1 2 3; do
    ! can_log_in "$key" "check-$try-$key" "$url" || return 0
    poll_account "$(account_id "$users_account")"
    ! account_is_full || return 1
    sleep 1
  done
  fail "a user of $what can't log in at $url: $(tail -n 1 "$scratch/login")"
}

# can_log_in KEY USER URL
can_log_in() {
  local subject="_INBOX_$2.check" allow=
  [ "$1" != "$plain_key" ] || allow="--allow-pub=$subject"
  make_user "$1" "$2" ${allow:+"$allow"}
  # Whether the role may publish there or not: only a user that is logged in gets this error.
  nats_cli --server "$3" --creds "$(user_creds "$2")" --timeout 5s \
    pub "$subject" '' >"$scratch/login" 2>&1 </dev/null ||
    grep -qiF "permissions violation for publish to \"$subject\"" "$scratch/login"
}
