# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Talking to the servers, as the user whose credentials are in $creds, a file in $scratch: the system account's, for the most part. The
# nats tool exits 0 on error replies and timeouts alike, so every answer is read.

# What nats would otherwise take from the environment of whoever runs this.
unset NATS_USER NATS_PASSWORD NATS_TOKEN NATS_CREDS NATS_NKEY NATS_JWT NATS_SEED NATS_CERT NATS_KEY NATS_CA \
  NATS_CONTEXT NATS_TIMEOUT NATS_INBOX_PREFIX NATS_SOCKS_PROXY

# nats_cli OPTION...: from $scratch, so that credentials can be named by a relative path: in an absolute one the nats tool
# would expand a $
nats_cli() { (cd "$scratch" && XDG_CONFIG_HOME=$scratch nats --no-context "$@"); }

# send SUBJECT [OPTION...]: the answers to what comes on standard input, one JSON document or text each
send() {
  subject=$1
  shift
  nats_cli --server "$NATS_URL" --creds "$creds" --timeout 2s request --raw --force-stdin "$@" "$subject" 2>"$scratch/error"
}

# request SUBJECT BODY [OPTION...]
request() {
  body=$2
  subject=$1
  shift 2
  printf '%s' "$body" | send "$subject" "$@"
}

now() { date +%s; }

# wait_for_server: a server that was just started takes its time
wait_for_server() {
  answer_by=$(($(now) + patience))
  until servers=$(request '$SYS.REQ.SERVER.PING.STATSZ' '' | jq -r .statsz.active_servers 2>/dev/null) && [ -n "$servers" ]; do
    [ "$(now)" -lt "$answer_by" ] ||
      fail "nats-server did not answer at $NATS_URL within $patience s ($(tail -n 1 "$scratch/error")). Its log tells why"
    sleep 0.1
  done
}

# ask_configuration: $scratch/configuration, a line per server that answers: its id, and whether it runs with what
# nats-init wrote
ask_configuration() {
  request '$SYS.REQ.SERVER.PING.STATSZ' '' --replies "$servers" |
    jq -r --arg tag "$tag" '.server | "\(.id) \(.tags // [] | any(. == $tag))"' >"$scratch/configuration"
}

# all_configured: a server that is silent, because it restarts, is not taken for one that has it
all_configured() { [ "$(grep -c ' true$' "$scratch/configuration")" = "$servers" ]; }

# take_configuration: servers reload what nats-init wrote. What can't be reloaded, such as the operator, takes a
# restart; the server's health check does that when config/restart asks for one that it has not made yet.
take_configuration() {
  tag=$(sed -n 's/^server_tags: \["\(.*\)"\]$/\1/p' "$SERVER_DIR/config/resolver.conf")
  ask_configuration
  refusal=
  while read -r id has; do
    [ "$has" = false ] || continue
    refusal=$(request "\$SYS.REQ.SERVER.$id.RELOAD" '' | jq -r '.error.description // empty | split(": old=")[0]')
    if [ -z "$refusal" ]; then
      say "nats-server reloaded its configuration"
    else
      say "nats-server can't reload its configuration ($refusal); asking it to restart"
      check_own_dir "$SERVER_DIR"
      printf '%s %s\n' "$id" "$tag" >"$scratch/restart"
      install_file "$scratch/restart" "$SERVER_DIR/config/restart" 644
    fi
  done <"$scratch/configuration"
  deadline=$(($(now) + patience))
  until all_configured; do
    [ "$(now)" -lt "$deadline" ] ||
      fail "nats-server still runs with another configuration than the one in $SERVER_DIR/config${refusal:+ ($refusal)}. Its log tells why; restart it when that is mended"
    sleep 0.2
    wait_for_server
    ask_configuration
  done
}

# look_up NAME ID: the account JWT that the servers hold, or what nats says of an empty answer, which means none
look_up() {
  held=$(request "\$SYS.REQ.ACCOUNT.$2.CLAIMS.LOOKUP" '' | tr -d '\n')
  [ -n "$held" ] || fail "the server did not say what it holds for account $1 ($(tail -n 1 "$scratch/error")). Nothing was pushed"
  printf '%s' "$held"
}

# update_claims NAME JWT_FILE
update_claims() {
  answer=$(send '$SYS.REQ.CLAIMS.UPDATE' <"$2") || answer=
  printf '%s' "$answer" | jq -e '.data.code == 200' >/dev/null 2>&1 ||
    fail "the server did not take account $1: $(printf '%s' "$answer" | jq -r '.error.description // .data.message' 2>/dev/null || cat "$scratch/error")"
}

# wait_in_force NAME ID: "jwt updated" is not enough, since a server says so of a JWT that it won't accept either.
# A server that has not loaded the account yet will read it from the resolver at the first login.
wait_in_force() {
  jti=$(ask "$(account_file "$1")" 'claims.jti')
  deadline=$(($(now) + patience))
  until [ "$(in_force "$2")" = "$servers" ]; do
    [ "$(now)" -lt "$deadline" ] || fail "account $1 was pushed, but is not in force on every server after $patience s"
    sleep 0.2
  done
}

# in_force ID: on how many servers the account is what the store says
in_force() {
  request '$SYS.REQ.SERVER.PING.ACCOUNTZ' "{\"account\":\"$1\"}" --replies "$servers" |
    jq -r --arg jti "$jti" '.data.account_detail | select(. == null or .decoded_jwt.jti == $jti) | 1' | grep -c 1
}
