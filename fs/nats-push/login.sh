# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The proof that accounts are in force: a user of each role logs in.

plain="the plain signing key"

check_logins() {
  if account_is_full; then
    say "account $users_account has all the connections that it may have, NATS_ACCOUNT_CONNECTIONS: logins, streams and consumers are not checked"
    return 0
  fi
  jq -r '[.key, "role " + (input_filename | split("/")[-1] | rtrimstr(".json")), (.role.connection_types // ["STANDARD"] | join(" "))] | @tsv' \
    "$store"/recipe/applied/roles/*.json >"$scratch/logins"
  printf '%s\t%s\tSTANDARD\n' "$plain_key" "$plain" >>"$scratch/logins"
  while IFS="$(printf '\t')" read -r key what types; do
    log_in "$key" "$what" "$types"
  done <"$scratch/logins"
}

# account_is_full: no user of the account gets in until another one leaves
account_is_full() {
  request '$SYS.REQ.SERVER.PING.ACCOUNTZ' "{\"account\":\"$(account_id "$users_account")\"}" --replies "$servers" |
    jq -se 'map(.data.account_detail | objects) | (map(.client_connections) | add) as $count | first.decoded_jwt.nats.limits.conn as $most
      | $count != null and $most >= 0 and $count >= $most' >/dev/null
}

log_in() {
  case " $3 " in
    *" STANDARD "*) url=$NATS_URL ;;
    *" WEBSOCKET "*) url=$NATS_WS_URL ;;
    *) return 0 ;; # not a way in for the nats tool
  esac
  can_sign "$1" || return 0
  # A user that was made in the second in which all users were revoked is revoked too; the next one is not.
  for try in 1 2 3; do
    ! can_log_in "$1" "check-$try-$1" "$2" || return 0
    sleep 1
  done
  fail "a user of $2 can't log in at $url: $(tail -n 1 "$scratch/answer")"
}

# can_log_in KEY USER WHAT
can_log_in() {
  subject=_INBOX_$2.check
  if [ "$3" = "$plain" ]; then allow="--allow-pub=$subject"; else allow=; fi
  make_user "$1" "$2" ${allow:+"$allow"}
  # Whether the user may publish there or not: only one who is in is told.
  nats_cli --server "$url" --creds "$user_creds" --timeout 5s \
    pub "$subject" '' >"$scratch/answer" 2>&1 </dev/null ||
    grep -qiF "permissions violation for publish to \"$subject\"" "$scratch/answer"
}
