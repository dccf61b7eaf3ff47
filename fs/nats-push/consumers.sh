# shellcheck shell=sh
# Consumers that a client with a role may have made, and whose deliver subject is no inbox of the role's users. The server
# lets a client name any deliver subject, and such a consumer may never expire: docs/roles.md. Names of streams and
# consumers have the form of in_template here, in which they can be part of a subject.
#
# State: $consumers_unchecked   whether some consumers could not be checked or removed
consumers_unchecked=false

# The user that lists and removes consumers.
consumers_user=consumers

remove_foreign_consumers() {
  local stream makers
  can_sign "$plain_key" || return 0
  ! account_is_full || return 0
  makers=$(query_jwt "$(account_file "$users_account")" 'include "consumers"; claims | makers | tojson')
  [ "$makers" != "[]" ] || return 0
  printf '%s\n' "$makers" >"$scratch/makers"
  make_user "$plain_key" "$consumers_user" --allow-sub "$api_inbox.>" \
    --allow-pub '$JS.API.STREAM.NAMES' --allow-pub '$JS.API.CONSUMER.LIST.*' --allow-pub '$JS.API.CONSUMER.NAMES.*' \
    --allow-pub '$JS.API.CONSUMER.INFO.*.*' --allow-pub '$JS.API.CONSUMER.DELETE.*.*'
  if list_pages STREAM.NAMES streams retry_api; then
    query_pages '.[] | select(may_have($makers[0])) | in_template' >"$scratch/streams"
    while read -r stream; do
      clean_stream "$stream"
    done <"$scratch/streams"
  fi
  ! $consumers_unchecked || fail "not every consumer could be checked; the accounts are in force"
}

# clean_stream STREAM: removes its foreign consumers
clean_stream() {
  local consumer what
  list_consumers "$1" || return 0
  query_pages '.[] | select(is_foreign($makers[0])) | row' >"$scratch/foreign"
  while IFS="$(printf '\t')" read -r consumer what; do
    retry_api "$consumers_user" "CONSUMER.DELETE.$1.$consumer" ''
    ! response_ok || log "removed $what, no inbox of a user who can have made it"
  done <"$scratch/foreign"
}

# list_consumers STREAM: writes $scratch/pages. A page has up to 256 consumers, and clients can make them so big that the
# server closes the connection before a page is sent. Then they are requested one by one.
list_consumers() {
  local consumer
  list_pages "CONSUMER.LIST.$1" consumers request_api && return
  [ -z "$response" ] || return 1
  list_pages "CONSUMER.NAMES.$1" consumers retry_api || return 1
  query_pages '.[] | in_template' >"$scratch/names"
  : >"$scratch/pages"
  while read -r consumer; do
    retry_api "$consumers_user" "CONSUMER.INFO.$1.$consumer" ''
    ! response_ok || query_response consumers '[.]' >>"$scratch/pages"
  done <"$scratch/names"
}

# list_pages CALL FIELD REQUEST: writes $scratch/pages, a line for each page of what a call of the API lists in FIELD.
# REQUEST is request_api or retry_api. False when a response is an error, or when there is no $response.
list_pages() {
  local next=0 page
  : >"$scratch/pages"
  while [ -n "$next" ]; do
    "$3" "$consumers_user" "$1" "{\"offset\":$next}" || return 1
    response_ok || return 1
    query_response consumers "(.$2 // [] | tojson), (next_offset(.$2) // \"\")" >"$scratch/page"
    { read -r page && read -r next; } <"$scratch/page"
    printf '%s\n' "$page" >>"$scratch/pages"
  done
}

# response_ok: $response is no error. An error is reported, unless it says that the consumer or stream no longer exists.
response_ok() {
  local problem
  problem=$(query_response consumers problem)
  [ -n "$problem" ] || return 0
  if [ "$problem" != gone ]; then
    warn "JetStream: $problem"
    consumers_unchecked=true
  fi
  return 1
}

# query_pages FILTER: a filter on each page; $makers[0] are the roles of remove_foreign_consumers
query_pages() { jq -cr -L "$here" --slurpfile makers "$scratch/makers" "include \"consumers\"; $1" "$scratch/pages"; }
