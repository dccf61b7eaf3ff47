# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Consumers that a client with a role may have made, and that deliver to no inbox of the role's users. The server lets a
# client name any deliver subject, and such a consumer may stay for good: docs/roles.md. Names of streams and consumers
# are in the form of in_template here, in which they can stand in a subject.

sweep_consumers() {
  can_sign "$plain_key" || return 0
  ! account_is_full || return 0
  ask "$(account_file "$users_account")" 'include "consumers"; claims | makers | tojson' >"$scratch/makers"
  [ "$(cat "$scratch/makers")" != "[]" ] || return 0
  make_user "$plain_key" consumers --allow-sub '_INBOX_streams.>' \
    --allow-pub '$JS.API.STREAM.NAMES' --allow-pub '$JS.API.CONSUMER.LIST.*' --allow-pub '$JS.API.CONSUMER.NAMES.*' \
    --allow-pub '$JS.API.CONSUMER.INFO.*.*' --allow-pub '$JS.API.CONSUMER.DELETE.*.*'
  missed=0
  if list STREAM.NAMES streams ask_jetstream; then
    judge '.[] | select(may_have($makers[0])) | in_template' >"$scratch/streams"
    while read -r stream; do
      sweep_stream "$stream"
    done <"$scratch/streams"
  fi
  [ "$missed" = 0 ] || fail "not every consumer could be looked at; the accounts are in force"
}

sweep_stream() {
  list_consumers "$1" || return 0
  judge '.[] | select(is_foreign($makers[0])) | row' >"$scratch/foreign"
  while IFS="$(printf '\t')" read -r consumer what; do
    ask_jetstream "CONSUMER.DELETE.$1.$consumer" ''
    ! went_well || say "removed $what, no inbox of a user who can have made it"
  done <"$scratch/foreign"
}

# list_consumers STREAM: in $scratch/pages. A page has up to 256 consumers, and clients can make them so big that the
# server cuts the connection off before a page is through. Then they are asked for one after the other.
list_consumers() {
  list "CONSUMER.LIST.$1" consumers ask_once && return
  [ -z "$answer" ] || return 1
  list "CONSUMER.NAMES.$1" consumers ask_jetstream || return 1
  judge '.[] | in_template' >"$scratch/names"
  : >"$scratch/pages"
  while read -r consumer; do
    ask_jetstream "CONSUMER.INFO.$1.$consumer" ''
    ! went_well || read_api '[.]' >>"$scratch/pages"
  done <"$scratch/names"
}

# list CALL FIELD ASK: what a call of the API lists, page by page, a line each in $scratch/pages. False when it lists
# nothing, or when there is no $answer.
list() {
  : >"$scratch/pages"
  next=0
  while [ -n "$next" ]; do
    "$3" "$1" "{\"offset\":$next}" || return 1
    went_well || return 1
    read_api ".$2 // []" >>"$scratch/pages"
    next=$(read_api "next_offset(.$2)")
  done
}

# went_well: whether $answer is no error. What is gone meanwhile is nothing to talk about.
went_well() {
  problem=$(read_api problem)
  [ -n "$problem" ] || return 0
  [ "$problem" = gone ] || miss "$problem"
  return 1
}

miss() {
  printf '%s: JetStream: %s\n' "$name" "$1" >&2
  missed=1
}

read_api() { printf '%s' "$answer" | jq -cr -L "$here" "include \"consumers\"; $1"; }

# judge FILTER: a filter on each page
judge() { jq -cr -L "$here" --slurpfile makers "$scratch/makers" "include \"consumers\"; $1" "$scratch/pages"; }
