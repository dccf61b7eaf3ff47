# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Reading NATS JWTs with jq. nsc and the server look at signatures.

# ask JWT_FILE FILTER [JQ_ARGUMENT...]: a filter, usually "claims | …", on the text of a JWT
ask() {
  jwt=$1
  filter=$2
  shift 2
  jq -Rsrc -L "$lib" -L "$here" "$@" "include \"jwt\"; $filter" "$jwt"
}

is_jwt() { ask "$1" 'claims.sub // empty' 2>/dev/null | grep -q .; }
