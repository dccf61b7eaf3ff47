# shellcheck shell=sh
# The settings of nats-init, checked before anything is changed.
#
# State: $limits   the account's limits as JSON, by their names in the account JWT, in bytes and counts
limits=

check_settings() {
  local result
  require_env SERVER_DIR ROLES_DIR SERVER_FILES NATS_OPERATOR NATS_ACCOUNT NATS_WS_ORIGINS \
    NATS_MAX_CONNECTIONS NATS_ACCOUNT_CONNECTIONS NATS_MEMORY NATS_GOMEMLIMIT \
    NATS_JS_MEMORY NATS_JS_DISK NATS_ACCOUNT_JS_MEMORY NATS_ACCOUNT_JS_DISK NATS_ACCOUNT_JS_STREAMS NATS_ACCOUNT_JS_CONSUMERS
  export NATS_CONFLICT="${NATS_CONFLICT:-stop}"
  result=$(jq -nrc -L "$here" 'include "settings"; env | problem // limits')
  case $result in
    "{"*) limits=$result ;;
    *) fail "$result" ;;
  esac
}
