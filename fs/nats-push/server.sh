# shellcheck shell=sh
# Requests to the servers. The nats tool exits with 0 on error responses and timeouts too, so every response is read.
#
# State: $servers    how many servers there are
#        $patience   seconds to wait for a server
servers=
patience=${PUSH_PATIENCE:-30}

# What the nats tool would otherwise take from the environment.
unset NATS_USER NATS_PASSWORD NATS_TOKEN NATS_CREDS NATS_NKEY NATS_JWT NATS_SEED NATS_CERT NATS_KEY NATS_CA \
  NATS_CONTEXT NATS_TIMEOUT NATS_INBOX_PREFIX NATS_SOCKS_PROXY

# nats_cli OPTION...: in $scratch, so that a relative path can name the credentials; in an absolute one the nats tool
# expands each $. The tool ends so soon that collecting garbage costs more than it frees.
nats_cli() { (cd "$scratch" && GOGC=off XDG_CONFIG_HOME=$scratch nats --no-context "$@"); }

# request CREDS SUBJECT BODY [OPTION...]: prints the responses, one JSON document or text each. CREDS is a path in
# $scratch.
request() {
  local creds="$1" subject="$2" body="$3"
  shift 3
  printf '%s' "$body" |
    nats_cli --server "$NATS_URL" --creds "$creds" --timeout 2s request --raw --force-stdin "$@" "$subject" 2>"$scratch/error"
}

# use_system_user: lets request_system use the system account's credentials
use_system_user() { ln -s "$store/keys/creds/$operator/SYS/sys.creds" "$scratch/system.creds"; }

# request_system SUBJECT BODY [OPTION...]
request_system() { request system.creds "$@"; }

last_error() { tail -n 1 "$scratch/error"; }

now() { date +%s; }

# wait_until SECONDS COMMAND [ARGUMENT...]: calls COMMAND until it succeeds, with a pause of SECONDS after each failure.
# False after $patience seconds.
wait_until() {
  local pause="$1" deadline
  shift
  deadline=$(($(now) + patience))
  until "$@"; do
    [ "$(now)" -lt "$deadline" ] || return 1
    sleep "$pause"
  done
}

wait_for_server() {
  wait_until 0.1 find_servers ||
    fail "nats-server did not respond at $NATS_URL within $patience s ($(last_error)). See its log for the reason"
}

# find_servers: sets $servers. False when no server responds.
find_servers() {
  servers=$(request_system '$SYS.REQ.SERVER.PING.STATSZ' '' | jq -r .statsz.active_servers 2>/dev/null) && [ -n "$servers" ]
}

# poll_config TAG: writes $scratch/configured, a line for each server that responds: its id, and whether it runs with the
# configuration of that tag
poll_config() {
  request_system '$SYS.REQ.SERVER.PING.STATSZ' '' --replies "$servers" |
    jq -r --arg tag "$1" '.server | "\(.id) \(.tags // [] | any(. == $tag))"' >"$scratch/configured"
}

# all_configured: a server that does not respond, because it restarts, does not count as configured
all_configured() { [ "$(grep -c ' true$' "$scratch/configured")" = "$servers" ]; }

# apply_server_config SERVER_DIR: has servers reload what nats-init wrote. What can't be reloaded, such as the operator,
# takes a restart; the server's health check restarts it when config/restart holds a request that it has not served yet.
apply_server_config() {
  local tag id configured refusal=''
  tag=$(sed -n 's/^server_tags: \["\(.*\)"\]$/\1/p' "$1/config/resolver.conf")
  poll_config "$tag"
  while read -r id configured; do
    [ "$configured" = false ] || continue
    refusal=$(request_system "\$SYS.REQ.SERVER.$id.RELOAD" '' | jq -r '.error.description // empty | split(": old=")[0]')
    if [ -z "$refusal" ]; then
      log "nats-server reloaded its configuration"
    else
      log "nats-server can't reload its configuration ($refusal); asking it to restart"
      check_own_dir "$1"
      printf '%s %s\n' "$id" "$tag" >"$scratch/restart"
      install_file "$scratch/restart" "$1/config/restart" 644
    fi
  done <"$scratch/configured"
  all_configured || wait_until 0.2 are_configured "$tag" ||
    fail "nats-server still runs with another configuration than the one in $1/config${refusal:+ ($refusal)}. See its log for the reason; correct that, then restart it"
}

# are_configured TAG: all servers, which may restart at the moment, run with the configuration of that tag
are_configured() {
  wait_for_server
  poll_config "$1"
  all_configured
}

# lookup_account_jwt NAME ID FILE: FILE becomes what the servers hold for the account: a JWT, or what nats prints for an
# empty response, which means none
lookup_account_jwt() {
  local held
  held=$(request_system "\$SYS.REQ.ACCOUNT.$2.CLAIMS.LOOKUP" '' | tr -d '\n')
  [ -n "$held" ] || fail "the server did not say what it holds for account $1 ($(last_error)). Nothing was pushed"
  printf '%s' "$held" >"$3"
}

# update_account_jwt NAME JWT_FILE
update_account_jwt() {
  local response reason
  response=$(request_system '$SYS.REQ.CLAIMS.UPDATE' "$(cat "$2")") || response=
  ! printf '%s' "$response" | jq -e '.data.code == 200' >/dev/null 2>&1 || return 0
  reason=$(printf '%s' "$response" | jq -r '.error.description // .data.message // empty' 2>/dev/null) || reason=
  fail "the server did not accept account $1: ${reason:-no response ($(last_error))}"
}

# wait_for_account NAME ID: "jwt updated" is not enough, since a server responds so to a JWT that it won't accept either.
# A server that has not loaded the account yet reads it from the resolver at the first login.
wait_for_account() {
  local jti
  jti=$(query_jwt "$(account_file "$1")" 'claims.jti')
  wait_until 0.2 is_in_force "$2" "$jti" ||
    fail "account $1 was pushed, but is not in force on every server after $patience s. See their logs for the reason"
}

# is_in_force ID JTI: every server has the account's JWT of that JTI, or has not loaded the account
is_in_force() { poll_account "$1" && [ "$(count_in_force "$@")" = "$servers" ]; }

# poll_account ID: writes account_state ID, what each server that responds says about the account
poll_account() {
  request_system '$SYS.REQ.SERVER.PING.ACCOUNTZ' "{\"account\":\"$1\"}" --replies "$servers" >"$(account_state "$1")"
}

account_state() { printf '%s/account-%s' "$scratch" "$1"; }

# count_in_force ID JTI: on how many servers the account had the JWT of that JTI, or was not loaded, at the last poll_account
count_in_force() {
  jq -rs --arg jti "$2" 'map(.data.account_detail | select(. == null or .decoded_jwt.jti == $jti)) | length' "$(account_state "$1")"
}
