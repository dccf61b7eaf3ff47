# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Streams: one file in fs/nats-push/streams = one stream of the account, which is made where there is none of that
# name. One that is there is left alone. What may stand in a file is JetStream's own configuration of a stream; the
# server looks at it.

stream_name() { basename "$1" .json; }

# check_streams: every stream file can be sent, or nothing is done; says all that is wrong
check_streams() {
  wrong=0
  for file in "$STREAMS_DIR"/*.json; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    case $(stream_name "$file") in
      *[!A-Za-z0-9_-]*) reject_stream "$file" "its name must be letters, digits, - and _" ;;
    esac
    if [ -r "$file" ]; then
      problem=$(jq -sr -L "$here" --arg name "$(stream_name "$file")" 'include "streams"; problem($name)' "$file" 2>"$scratch/error") ||
        problem="is not JSON: $(head -n 1 "$scratch/error")"
    else
      problem="can't be read"
    fi
    [ -z "$problem" ] || reject_stream "$file" "$problem"
  done
  [ "$wrong" = 0 ] || fail "stream files are wrong; nothing was pushed"
}

reject_stream() {
  printf '%s: streams/%s: %s\n' "$name" "$(basename "$1")" "$2" >&2
  wrong=1
}

make_streams() {
  can_sign "$plain_key" || return 0
  ! account_is_full || return 0
  refused=0
  for file in "$STREAMS_DIR"/*.json; do
    [ ! -e "$file" ] || make_stream "$(stream_name "$file")" "$file"
  done
  [ "$refused" = 0 ] || fail "not every stream could be made; the accounts are in force"
}

# make_stream NAME FILE: as a user who may look at this stream and make it, and nothing else
make_stream() {
  make_user "$plain_key" "stream-$1" --allow-sub '_INBOX_streams.>' \
    --allow-pub "\$JS.API.STREAM.INFO.$1" --allow-pub "\$JS.API.STREAM.CREATE.$1"
  ask_jetstream "STREAM.INFO.$1" ''
  state=$(read_answer 'state($file[0])' --slurpfile file "$2")
  case $state in
    absent) create_stream "$1" "$2" ;;
    there) ;;
    differs*) say "stream $1 stays as it is; its file says otherwise about ${state#differs }" ;;
    *) refuse_stream "$1" "$state" ;;
  esac
}

create_stream() {
  ask_jetstream "STREAM.CREATE.$1" "$(jq -c --arg name "$1" '.name = $name' "$2")"
  refusal=$(read_answer refusal)
  if [ -z "$refusal" ]; then say "made stream $1"; else refuse_stream "$1" "$refusal"; fi
}

refuse_stream() {
  printf '%s: stream %s was not made: %s\n' "$name" "$1" "$2" >&2
  refused=1
}

# ask_jetstream CALL BODY: $answer, what the API says. It may be asked again: no request here does more then.
ask_jetstream() {
  answer_by=$(($(now) + patience))
  until ask_once "$@"; do
    [ "$(now)" -lt "$answer_by" ] ||
      fail "JetStream did not answer within $patience s ($(tail -n 1 "$scratch/error")). The log of nats-server tells why"
    sleep 0.2
  done
}

# ask_once CALL BODY: whether there is an $answer
ask_once() {
  creds=$user_creds
  answer=$(request "\$JS.API.$1" "$2" --inbox-prefix _INBOX_streams) || answer=
  creds=$system_creds
  [ -n "$answer" ]
}

read_answer() {
  filter=$1
  shift
  printf '%s' "$answer" | jq -r -L "$here" "$@" "include \"streams\"; $filter"
}
