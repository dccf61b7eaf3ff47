# shellcheck shell=sh
# Streams: one file in fs/nats-push/streams = one stream of the account, which is made if there is none of that name. An
# existing one is not changed. A file holds JetStream's own configuration of a stream, which the server checks.
#
# A file of $STREAMS_DIR.local takes the place of the one with the same name in $STREAMS_DIR; one that holds null removes it.
#
# State: $streams_missing   whether a stream could not be made
streams_missing=false

stream_name() {
  local file="${1##*/}"
  printf '%s\n' "${file%.json}"
}

# check_streams: collects the stream files in $scratch/stream-files, reports every problem of them, and fails if there are any
check_streams() {
  local file stream problem wrong=false
  mkdir "$scratch/stream-files"
  for file in "$STREAMS_DIR.local"/*.json "$STREAMS_DIR"/*.json; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    is_in_use "$file" "$STREAMS_DIR" || continue
    stream=$(stream_name "$file")
    stream_problems "$file" "$stream" >"$scratch/problems"
    if [ -s "$scratch/problems" ]; then wrong=true; else cp "$file" "$scratch/stream-files/$stream.json"; fi
    while read -r problem; do
      warn "${file#"${STREAMS_DIR%/*}/"}: $problem"
    done <"$scratch/problems"
  done
  ! $wrong || fail "stream files are wrong; nothing was pushed"
}

# stream_problems FILE NAME: why a file can't be sent, one problem per line
stream_problems() {
  case $2 in
    *[!A-Za-z0-9_-]*) echo "its name must be letters, digits, - and _" ;;
  esac
  if [ -r "$1" ]; then
    jq -sr -L "$here" --arg name "$2" 'include "streams"; problem($name)' "$1" 2>/dev/null ||
      echo "is not JSON: $(json_mistake "$1")"
  else
    echo "can't be read"
  fi
}

make_streams() {
  local file
  can_sign "$plain_key" || return 0
  ! account_is_full || return 0
  for file in "$scratch/stream-files"/*.json; do
    [ ! -e "$file" ] || make_stream "$(stream_name "$file")" "$file"
  done
  ! $streams_missing || fail "not every stream could be made; the accounts are in force"
}

# make_stream NAME FILE: as a user who may look at this stream and make it, and nothing else
make_stream() {
  local stream="$1" file="$2" user="stream-$1" state refusal
  make_user "$plain_key" "$user" --allow-sub "$api_inbox.>" \
    --allow-pub "\$JS.API.STREAM.INFO.$stream" --allow-pub "\$JS.API.STREAM.CREATE.$stream"
  retry_api "$user" "STREAM.INFO.$stream" ''
  state=$(query_response streams 'state($file[0])' --slurpfile file "$file")
  case $state in
    present) ;;
    differs*) log "stream $stream stays as it is; its file says otherwise about ${state#differs }" ;;
    absent)
      retry_api "$user" "STREAM.CREATE.$stream" "$(jq -c --arg name "$stream" '.name = $name' "$file")"
      refusal=$(query_response streams refusal)
      if [ -z "$refusal" ]; then log "made stream $stream"; else report_missing_stream "$stream" "$refusal"; fi
      ;;
    *) report_missing_stream "$stream" "$state" ;;
  esac
}

report_missing_stream() {
  warn "stream $1 was not made: $2"
  streams_missing=true
}
