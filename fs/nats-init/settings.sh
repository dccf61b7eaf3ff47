# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The settings of nats-init, checked before anything is touched.

check_settings() {
  need SERVER_DIR ROLES_DIR SERVER_FILES NATS_OPERATOR NATS_ACCOUNT NATS_WS_ORIGINS \
    NATS_JS_MEMORY NATS_JS_DISK NATS_ACCOUNT_JS_MEMORY NATS_ACCOUNT_JS_DISK NATS_ACCOUNT_JS_STREAMS NATS_ACCOUNT_JS_CONSUMERS
  NATS_CONFLICT=${NATS_CONFLICT:-stop}
  check NATS_OPERATOR '^[A-Za-z0-9_-]{1,64}$' 'letters, digits, - and _'
  check NATS_ACCOUNT '^[A-Za-z0-9_-]{1,64}$' 'letters, digits, - and _'
  [ "$NATS_ACCOUNT" != SYS ] || fail "NATS_ACCOUNT=SYS is the system account's name; take another"
  check NATS_CONFLICT '^(stop|server|store)$' 'stop, server or store'
  for size in NATS_JS_MEMORY NATS_JS_DISK NATS_ACCOUNT_JS_MEMORY NATS_ACCOUNT_JS_DISK; do
    check "$size" '^[1-9][0-9]{0,5}(B|KB|MB|GB|TB)$' 'a size such as 256MB or 10GB'
  done
  check NATS_ACCOUNT_JS_STREAMS '^[1-9][0-9]{0,8}$' 'a whole number from 1'
  check NATS_ACCOUNT_JS_CONSUMERS '^[1-9][0-9]{0,8}$' 'a whole number from 1'
  # nats-server takes [] for "every origin", and refuses "*" only once it starts
  printf '%s' "$NATS_WS_ORIGINS" | jq -e 'type == "array" and length > 0
    and all(.[]; type == "string" and test("^https?://[^/*?#@\\s]+$"))' >/dev/null 2>&1 ||
    fail "NATS_WS_ORIGINS is $NATS_WS_ORIGINS; it wants a JSON list of at least one origin, such as [\"http://localhost:8080\"], without paths or wildcards"
  read_limits
}

# check VARIABLE PATTERN WANTED
check() {
  eval "value=\$$1"
  # the value is one line: a second one would be matched by itself
  case $value in *"
"*) fail "$1 holds a line break; it wants $3" ;; esac
  printf '%s\n' "$value" | grep -Eq "$2" || fail "$1 is \"$value\"; it wants $3"
}

# read_limits: $limits, the account's limits by their names in the account JWT, in bytes and counts
read_limits() {
  limits=$(jq -nc -L "$here" --arg memory "$NATS_ACCOUNT_JS_MEMORY" --arg disk "$NATS_ACCOUNT_JS_DISK" \
    --argjson streams "$NATS_ACCOUNT_JS_STREAMS" --argjson consumers "$NATS_ACCOUNT_JS_CONSUMERS" \
    --arg all_memory "$NATS_JS_MEMORY" --arg all_disk "$NATS_JS_DISK" 'include "settings";
    { mem_storage: ($memory | bytes), disk_storage: ($disk | bytes), streams: $streams, consumer: $consumers }
    | select(.mem_storage <= ($all_memory | bytes) and .disk_storage <= ($all_disk | bytes))')
  [ -n "$limits" ] ||
    fail "NATS_ACCOUNT_JS_MEMORY and NATS_ACCOUNT_JS_DISK can't be larger than NATS_JS_MEMORY and NATS_JS_DISK, which are the whole server's"
}
