# shellcheck shell=sh
# Reading NATS JWTs with jq, and checking their signatures with nsc.

# query_jwt JWT_FILE FILTER [JQ_ARGUMENT...]: the result of a filter, usually "claims | …", on the text of a JWT
query_jwt() {
  local jwt="$1" filter="$2"
  shift 2
  jq -Rsrc -L "$lib" -L "$here" "$@" "include \"jwt\"; $filter" "$jwt"
}

# is_signed JWT_FILE: it is a JWT, signed by the key that it names as its issuer. Both tools read the same issuer: jq
# accepts nothing but a bare JWT with the fields that a JWT has, and nsc refuses one whose signature does not match.
is_signed() {
  query_jwt "$1" 'claims.sub // empty' -e >/dev/null 2>&1 && nsc describe jwt --file "$1" >/dev/null 2>&1
}

# is_of_operator JWT_FILE: the key that it names as its issuer is one of the operator's
is_of_operator() {
  query_jwt "$1" 'claims.iss as $issuer | $operator | claims | any(.sub, (.nats.signing_keys // [])[]; . == $issuer)' \
    -e --rawfile operator "$operator_dir/$operator.jwt" >/dev/null
}

# is_account NAME ID JWT_FILE: it is the JWT of that account
is_account() { [ "$(query_jwt "$3" 'claims | "\(.nats.type) \(.name) \(.sub)"')" = "account $1 $2" ]; }
