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
  local deadline
  deadline=$(($(now) + patience))
  until request_api "$@"; do
    [ "$(now)" -lt "$deadline" ] ||
      fail "JetStream did not answer within $patience s ($(last_error)). See the log of nats-server for the reason"
    sleep 0.2
  done
}
