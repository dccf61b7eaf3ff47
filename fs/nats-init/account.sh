# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The operator, the system account and the application's account.

# make_operator: for an empty store. Accounts are signed by its signing key and users by their account's, always:
# the identity keys can be taken off the machine.
make_operator() {
  edit add operator --name "$NATS_OPERATOR" --generate-signing-key --sys
  edit edit operator --require-signing-keys
  read_names
  say "made operator $NATS_OPERATOR and the system account"
}

# make_account: a user without permissions of its own, signed by the plain key, gets none
make_account() {
  edit add account --name "$NATS_ACCOUNT"
  edit edit account --name "$NATS_ACCOUNT" --deny-pubsub '>'
  list_accounts
  printf '%s\n' "$NATS_ACCOUNT" >"$store/recipe/account"
  say "made account $NATS_ACCOUNT"
}

# check_names: the state is that of the operator and account that .env names
check_names() {
  [ "$operator" = "$NATS_OPERATOR" ] ||
    fail "NATS_OPERATOR is $NATS_OPERATOR, but the state belongs to operator $operator. Set NATS_OPERATOR=$operator, or start anew, without the old data: $RESET_HINT"
  account=$(cat "$store/recipe/account" 2>/dev/null) || damaged "recipe/account is missing"
  [ "$account" = "$NATS_ACCOUNT" ] ||
    fail "NATS_ACCOUNT is $NATS_ACCOUNT, but the state belongs to account $account. Set NATS_ACCOUNT=$account, or start anew, without the old data: $RESET_HINT"
}

# apply_account: the limits and the plain signing key
apply_account() {
  mkdir -p "$store/recipe/applied/roles"
  record=$store/recipe/applied/account.json
  [ -e "$record" ] || echo '{}' >"$record"
  apply_limits
  find_plain_key
  printf '{"signing_key":"%s","limits":%s}\n' "$plain_key" "$limits" >"$scratch/account.json"
  same "$scratch/account.json" "$record" || install_file "$scratch/account.json" "$record" 600
}

# ask_account FILTER [JQ_ARGUMENT...]: a filter on the JWT of the application's account
ask_account() { ask "$(account_file "$NATS_ACCOUNT")" "$@"; }

apply_limits() {
  ask_account 'include "settings"; claims | steps($wanted; $applied[0].limits // {})[] | "\(.action) \(.field) \(.flag) \(.value)"' \
    --argjson wanted "$limits" --slurpfile applied "$record" >"$scratch/limits"
  set --
  fields=
  while read -r action field flag value; do
    [ "$action" != conflict ] || action=$(settle_limit "$field")
    if [ "$action" = keep ]; then
      say "account $NATS_ACCOUNT: limit $field was changed elsewhere and stays so"
    else
      set -- "$@" "$flag" "$value"
      fields="$fields $field"
    fi
  done <"$scratch/limits"
  [ $# -gt 0 ] || return 0
  edit edit account --name "$NATS_ACCOUNT" "$@"
  say "account $NATS_ACCOUNT: set limits:$fields"
}

settle_limit() {
  case $NATS_CONFLICT in
    server) echo keep ;;
    store) echo set ;;
    *) fail "the account's limit $1 was changed both in .env and in the account. Nothing was changed. Run again with NATS_CONFLICT=server to keep the account's, or NATS_CONFLICT=store to set .env's" ;;
  esac
}

# find_plain_key: $plain_key, the signing key that trusted backends get; a new one where there is none
find_plain_key() {
  plain_keys='claims | .nats.signing_keys // [] | map(strings)'
  known=$(sed -n 's/.*"signing_key":"\([A-Z0-9]*\)".*/\1/p' "$record")
  plain_key=$(ask_account "$plain_keys | map(select(\$known == \"\" or . == \$known)) | first // empty" --arg known "$known")
  [ -z "$plain_key" ] || [ ! -f "$(seed_file "$plain_key")" ] || return 0
  [ -z "$known" ] || say "account $NATS_ACCOUNT: its plain signing key was removed elsewhere; making a new one"
  cp "$(account_file "$NATS_ACCOUNT")" "$scratch/before.jwt"
  edit edit account --name "$NATS_ACCOUNT" --sk generate
  plain_key=$(ask_account "($plain_keys) - (\$before | $plain_keys) | first" --rawfile before "$scratch/before.jwt")
}
