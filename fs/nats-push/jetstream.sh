# shellcheck shell=sh
# Requests to JetStream's API.
#
# State: $response   the last response; empty when there was none
response=

# The inboxes of users that send such requests.
api_inbox=_INBOX_streams

# request_api USER CALL BODY: whether there is a $response
request_api() {
  response=$(request "$(user_creds "$1")" "\$JS.API.$2" "$3" --inbox-prefix "$api_inbox") || response=
  [ -n "$response" ]
}

# retry_api USER CALL BODY: waits for a $response. A request may be sent again, since none here has another effect then.
retry_api() {
  wait_until 0.2 request_api "$@" ||
    fail "JetStream did not respond within $patience s ($(last_error)). See the log of nats-server for the reason"
}

# query_response MODULE FILTER [JQ_ARGUMENT...]: a filter on $response, with the definitions of MODULE.jq
query_response() {
  local module="$1" filter="$2"
  shift 2
  printf '%s' "$response" | jq -cr -L "$here" "$@" "include \"$module\"; $filter"
}
