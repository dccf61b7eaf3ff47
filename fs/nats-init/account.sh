# shellcheck shell=sh
# The operator, the system account and the application's account.

# make_operator: for an empty store. Accounts are signed by its signing key and users by their account's, always, so that
# the identity keys can be taken off the machine.
make_operator() {
  run_nsc add operator --name "$NATS_OPERATOR" --generate-signing-key --sys
  run_nsc edit operator --require-signing-keys
  find_operator
  log "made operator $NATS_OPERATOR and the system account"
}

# make_account: a user that the plain key signs, without permissions of its own, gets none
make_account() {
  run_nsc add account --name "$NATS_ACCOUNT" --deny-pubsub '>'
  list_accounts
  printf '%s\n' "$NATS_ACCOUNT" >"$store/recipe/account"
  log "made account $NATS_ACCOUNT"
}

# check_names: the store is that of the operator and the account that .env names
check_names() {
  local account
  [ "$operator" = "$NATS_OPERATOR" ] ||
    fail "NATS_OPERATOR is $NATS_OPERATOR, but the state belongs to operator $operator. Set NATS_OPERATOR=$operator, or start anew, without the old data: $RESET_HINT"
  account=$(application_account)
  [ "$account" = "$NATS_ACCOUNT" ] ||
    fail "NATS_ACCOUNT is $NATS_ACCOUNT, but the state belongs to account $account. Set NATS_ACCOUNT=$account, or start anew, without the old data: $RESET_HINT"
}

# apply_account: the limits and the plain signing key
apply_account() {
  local record="$store/recipe/applied/account.json" recorded plain_key
  mkdir -p "$store/recipe/applied/roles"
  [ -e "$record" ] || echo '{}' >"$record"
  apply_limits "$record"
  recorded=$(recorded_plain_key)
  plain_key=$(usable_plain_key "$recorded")
  if [ -z "$plain_key" ]; then
    [ -z "$recorded" ] || log "account $NATS_ACCOUNT: its plain signing key was removed elsewhere; making a new one"
    plain_key=$(add_plain_key)
  fi
  printf '{"signing_key":"%s","limits":%s}\n' "$plain_key" "$limits" >"$scratch/account.json"
  same_file "$scratch/account.json" "$record" || install_file "$scratch/account.json" "$record" 600
}

# query_account FILTER [JQ_ARGUMENT...]: a filter on the JWT of the application's account
query_account() { query_jwt "$(account_file "$NATS_ACCOUNT")" "$@"; }

# apply_limits RECORD: sets the limits of .env that the account does not have yet; RECORD has those applied last
apply_limits() {
  local action field flag value fields=
  query_account 'include "settings"; claims | steps($wanted; $applied[0].limits // {})[] | "\(.action) \(.field) \(.flag) \(.value)"' \
    --argjson wanted "$limits" --slurpfile applied "$1" >"$scratch/limits"
  set --
  while read -r action field flag value; do
    [ "$action" != conflict ] || action=$(resolve_limit_conflict "$field")
    if [ "$action" = keep ]; then
      log "account $NATS_ACCOUNT: limit $field was changed elsewhere, not in .env; it is kept"
    else
      set -- "$@" "$flag" "$value"
      fields="$fields $field"
    fi
  done <"$scratch/limits"
  [ $# -gt 0 ] || return 0
  run_nsc edit account --name "$NATS_ACCOUNT" "$@"
  log "account $NATS_ACCOUNT: set limits:$fields"
}

# resolve_limit_conflict FIELD: prints what to do about it: keep or set
resolve_limit_conflict() {
  case $NATS_CONFLICT in
    server) echo keep ;;
    store) echo set ;;
    *) fail "the account's limit $1 was changed both in .env and in the account. Nothing was changed. Run again with NATS_CONFLICT=server to keep the account's, or NATS_CONFLICT=store to set .env's" ;;
  esac
}

# plain_keys: a filter for the signing keys without a role
plain_keys='claims | .nats.signing_keys // [] | map(strings)'

# usable_plain_key RECORDED: the signing key for trusted backends, RECORDED if that is not empty. Prints nothing when the
# account does not have it, or the store has no private key for it.
usable_plain_key() {
  local key
  key=$(query_account "$plain_keys | map(select(\$recorded == \"\" or . == \$recorded)) | first // empty" --arg recorded "$1")
  if [ -n "$key" ] && [ -f "$(seed_file "$key")" ]; then printf '%s' "$key"; fi
}

# add_plain_key: adds a signing key without a role, and prints it
add_plain_key() {
  cp "$(account_file "$NATS_ACCOUNT")" "$scratch/before.jwt"
  run_nsc edit account --name "$NATS_ACCOUNT" --sk generate
  query_account "($plain_keys) - (\$before | $plain_keys) | first" --rawfile before "$scratch/before.jwt"
}
