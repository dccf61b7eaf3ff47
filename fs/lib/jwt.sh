# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Reading NATS JWTs with jq, and checking their signatures with nsc.

# ask JWT_FILE FILTER [JQ_ARGUMENT...]: a filter, usually "claims | …", on the text of a JWT
ask() {
  jwt=$1
  filter=$2
  shift 2
  jq -Rsrc -L "$lib" -L "$here" "$@" "include \"jwt\"; $filter" "$jwt"
}

# is_signed JWT_FILE: it is a JWT, and its signature is that of the key that it names as issuer. Both tools read the same
# issuer: jq accepts nothing but a bare JWT with the fields that a JWT has, and nsc refuses one whose signature does not
# match.
is_signed() {
  ask "$1" 'claims.sub // empty' 2>/dev/null | grep -q . && nsc describe jwt --file "$1" >/dev/null 2>&1
}

# is_of_operator JWT_FILE: its issuer is a key of the operator
is_of_operator() {
  ask "$operator_dir/$operator.jwt" 'claims | .sub, (.nats.signing_keys // [])[]' | grep -Fqx "$(ask "$1" 'claims.iss')"
}

# is_account NAME ID JWT_FILE: it is the JWT of that account
is_account() { [ "$(ask "$3" 'claims | "\(.nats.type) \(.name) \(.sub)"')" = "account $1 $2" ]; }
