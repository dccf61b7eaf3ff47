# shellcheck shell=sh
# The settings of nats-init, checked before anything is changed.
#
# State: $limits   the account's limits as JSON, by their names in the account JWT, in bytes and counts
limits=

check_settings() {
  local size count
  require_env SERVER_DIR ROLES_DIR SERVER_FILES NATS_OPERATOR NATS_ACCOUNT NATS_WS_ORIGINS \
    NATS_MAX_CONNECTIONS NATS_ACCOUNT_CONNECTIONS NATS_MEMORY NATS_GOMEMLIMIT \
    NATS_JS_MEMORY NATS_JS_DISK NATS_ACCOUNT_JS_MEMORY NATS_ACCOUNT_JS_DISK NATS_ACCOUNT_JS_STREAMS NATS_ACCOUNT_JS_CONSUMERS
  NATS_CONFLICT=${NATS_CONFLICT:-stop}
  check_setting NATS_OPERATOR '^[A-Za-z0-9_-]{1,64}$' '1 to 64 letters, digits, - and _'
  check_setting NATS_ACCOUNT '^[A-Za-z0-9_-]{1,64}$' '1 to 64 letters, digits, - and _'
  [ "$NATS_ACCOUNT" != SYS ] || fail "NATS_ACCOUNT is SYS, which is the system account's name; choose another name"
  check_setting NATS_CONFLICT '^(stop|server|store)$' 'stop, server or store'
  for size in NATS_MEMORY NATS_JS_MEMORY NATS_JS_DISK NATS_ACCOUNT_JS_MEMORY NATS_ACCOUNT_JS_DISK; do
    check_setting "$size" '^[1-9][0-9]{0,5}(B|KB|MB|GB|TB)$' 'a size such as 256MB or 10GB'
  done
  for count in NATS_MAX_CONNECTIONS NATS_ACCOUNT_CONNECTIONS NATS_ACCOUNT_JS_STREAMS NATS_ACCOUNT_JS_CONSUMERS; do
    check_setting "$count" '^[1-9][0-9]{0,8}$' 'a whole number from 1'
  done
  check_setting NATS_GOMEMLIMIT '^[1-9][0-9]{0,5}(MiB|GiB)$' 'a size such as 1700MiB or 3GiB'
  # nats-server takes [] for "every origin", and refuses "*" only when it starts.
  printf '%s' "$NATS_WS_ORIGINS" | jq -e 'type == "array" and length > 0
    and all(.[]; type == "string" and test("^https?://[^/*?#@\\s]+$"))' >/dev/null 2>&1 ||
    fail "NATS_WS_ORIGINS is $NATS_WS_ORIGINS; it must be a JSON list of at least one origin, such as [\"http://localhost:8080\"], without paths or wildcards"
  read_limits
  check_server_limits
}

# check_setting VARIABLE PATTERN DESCRIPTION
check_setting() {
  local value
  eval "value=\$$1"
  # grep would match a second line by itself.
  case $value in *"
"*) fail "$1 holds a line break; it must be $3" ;; esac
  printf '%s\n' "$value" | grep -Eq "$2" || fail "$1 is \"$value\"; it must be $3"
}

# read_limits: sets $limits
read_limits() {
  limits=$(jq -nc -L "$here" --arg memory "$NATS_ACCOUNT_JS_MEMORY" --arg disk "$NATS_ACCOUNT_JS_DISK" \
    --argjson streams "$NATS_ACCOUNT_JS_STREAMS" --argjson consumers "$NATS_ACCOUNT_JS_CONSUMERS" \
    --argjson connections "$NATS_ACCOUNT_CONNECTIONS" \
    --arg all_memory "$NATS_JS_MEMORY" --arg all_disk "$NATS_JS_DISK" 'include "settings";
    { conn: $connections, mem_storage: ($memory | bytes), disk_storage: ($disk | bytes), streams: $streams, consumer: $consumers }
    | select(.mem_storage <= ($all_memory | bytes) and .disk_storage <= ($all_disk | bytes))')
  [ -n "$limits" ] ||
    fail "NATS_ACCOUNT_JS_MEMORY ($NATS_ACCOUNT_JS_MEMORY) and NATS_ACCOUNT_JS_DISK ($NATS_ACCOUNT_JS_DISK) can't be larger than NATS_JS_MEMORY ($NATS_JS_MEMORY) and NATS_JS_DISK ($NATS_JS_DISK), which are the whole server's"
}

# check_server_limits: clients of the account can't use up everything that the server has
check_server_limits() {
  [ "$NATS_ACCOUNT_CONNECTIONS" -le $((NATS_MAX_CONNECTIONS - 10)) ] ||
    fail "NATS_ACCOUNT_CONNECTIONS is $NATS_ACCOUNT_CONNECTIONS; it can't be more than NATS_MAX_CONNECTIONS ($NATS_MAX_CONNECTIONS) less 10, which are for the recipe's own logins"
  jq -ne -L "$here" --arg memory "$NATS_MEMORY" --arg soft "$NATS_GOMEMLIMIT" \
    'include "settings"; ($soft | go_bytes) <= ($memory | bytes) * 0.95' >/dev/null ||
    fail "NATS_GOMEMLIMIT is $NATS_GOMEMLIMIT; it can't be more than 95 % of NATS_MEMORY ($NATS_MEMORY), or the server would be killed before it frees memory"
  jq -ne -L "$here" --arg soft "$NATS_GOMEMLIMIT" --arg memory "$NATS_JS_MEMORY" \
    'include "settings"; ($memory | bytes) < ($soft | go_bytes)' >/dev/null ||
    fail "NATS_JS_MEMORY is $NATS_JS_MEMORY; it must be less than NATS_GOMEMLIMIT ($NATS_GOMEMLIMIT), which connections need too"
}
