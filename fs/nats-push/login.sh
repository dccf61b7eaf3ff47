# shellcheck shell=sh
# The proof that accounts are in force: a user of the plain signing key, and one of each role, logs in. A user of a role has
# a made-up value for each tag that the role's subjects name: without it the server refuses a role that denies by the tag.
#
# State: $refused_roles   the roles whose users the server refuses
#        $login_url       where the last user tried to log in
#        $login_problem   why it could not; empty if it could
refused_roles=
login_url=
login_problem=

check_logins() {
  local key role types tags
  check_login "$plain_key" STANDARD "" || { report_full; return; }
  [ -z "$login_problem" ] || fail "a user of the plain signing key can't log in at $NATS_URL: $login_problem"
  query_jwt "$(account_file "$users_account")" 'include "login"; claims | tag_options' >"$scratch/tags"
  jq -r --slurpfile tags "$scratch/tags" '[.key, (input_filename | split("/")[-1] | rtrimstr(".json")), (.role.connection_types // ["STANDARD"] | join(" ")), $tags[0][.key] // ""] | join("\t")' \
    "$store"/recipe/applied/roles/*.json >"$scratch/logins"
  while IFS="$(printf '\t')" read -r key role types tags; do
    check_login "$key" "$types" "$tags" || { report_full; return; }
    case $login_problem in
      "") ;;
      *"Authorization Violation"*)
        warn "role $role: the server refuses its users, so no credential of it works: $login_problem. See the log of nats-server for the reason"
        refused_roles="$refused_roles $role"
        ;;
      *) fail "a user of role $role can't log in at $login_url: $login_problem" ;;
    esac
  done <"$scratch/logins"
}

report_full() {
  log "account $users_account has all the connections that it may have, NATS_ACCOUNT_CONNECTIONS: logins, streams and consumers are not checked"
}

# account_is_full: at the last poll_account, no user of the account could log in before another one disconnected
account_is_full() {
  jq -se 'map(.data.account_detail | objects) | (map(.client_connections) | add) as $count | first.decoded_jwt.nats.limits.conn as $most
      | $count != null and $most >= 0 and $count >= $most' "$(account_state "$(account_id "$users_account")")" >/dev/null
}

# check_login KEY TYPES TAGS: whether a user that KEY signs, with these options of nsc for its tags, can log in by one of these connection types.
# Sets $login_url, and $login_problem, which is empty when the user can. False when the account is full.
check_login() {
  local key="$1" try
  login_problem=
  case " $2 " in
    *" STANDARD "*) login_url=$NATS_URL ;;
    *" WEBSOCKET "*) login_url=$NATS_WS_URL ;;
    *) return 0 ;; # the nats tool can't connect by any other type
  esac
  can_sign "$key" || return 0
  # A user that was made in the second in which all users were revoked is revoked too; the next one is not.
  for try in 1 2 3; do
    ! can_log_in "$key" "check-$try-$key" "$3" || return 0
    poll_account "$(account_id "$users_account")"
    ! account_is_full || return 1
    [ "$try" = 3 ] || sleep 1
  done
  login_problem=$(tail -n 1 "$scratch/login" | sed 's/^.*: nats: //')
  : "${login_problem:=no response}"
}

# can_log_in KEY USER TAGS: the user sends nothing but a PING, since a message would need a permission
can_log_in() {
  local key="$1" user="$2"
  eval "set -- $3"
  make_user "$key" "$user" "$@"
  nats_cli --server "$(by_address "$login_url")" --creds "$(user_creds "$user")" --timeout 5s \
    rtt --json 1 2>"$scratch/login" </dev/null | jq -e 'all(.[].results[]; .rtt > 0)' >/dev/null
}

# by_address URL: the URL with the address of its host in place of the name: at a name, rtt of the nats tool uses TLS for a
# WebSocket whatever the URL says
by_address() {
  local rest="${1#*://}" host address
  host=${rest%%[:/]*}
  address=$(case $1 in ws://[a-zA-Z]*) nslookup "$host" 2>/dev/null | awk '/^Name:/ { found = 1 } found && /^Address/ { print $NF; exit }' ;; esac)
  case $address in *:*) address="[$address]" ;; esac
  printf '%s%s' "${1%%://*}://" "${address:-$host}${rest#"$host"}"
}
