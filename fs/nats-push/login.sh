# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# The proof that accounts are in force: a user of each role logs in. The users are made in a copy of the store
# that only lives as long as this script, and holds no private key but theirs.

plain="the plain signing key"

check_logins() {
  account=$(cat "$store/recipe/account")
  kept=$store
  mkdir -p "$scratch/login/keys/keys"
  cp -R "$store/stores" "$store/recipe" "$scratch/login"
  ln -s "$store/keys/keys/A" "$scratch/login/keys/keys/A"
  store=$scratch/login
  jq -r '[.key, "role " + (input_filename | split("/")[-1] | rtrimstr(".json")), (.role.connection_types // ["STANDARD"] | join(" "))] | @tsv' \
    "$store"/recipe/applied/roles/*.json >"$scratch/logins"
  jq -r '[.signing_key, $what, "STANDARD"] | @tsv' --arg what "$plain" "$store/recipe/applied/account.json" >>"$scratch/logins"
  ask "$(account_file "$account")" 'claims.nats.signing_keys[] | if type == "string" then . else .key end' >"$scratch/signing-keys"
  while IFS="$(printf '\t')" read -r key what types; do
    log_in "$key" "$what" "$types"
  done <"$scratch/logins"
  store=$kept
}

log_in() {
  case " $3 " in
    *" STANDARD "*) url=$NATS_URL ;;
    *" WEBSOCKET "*) url=$NATS_WS_URL ;;
    *) return 0 ;; # not a way in for the nats tool
  esac
  # a role whose key is gone from the account was removed on the server's side
  grep -qx "$1" "$scratch/signing-keys" || return 0
  # A user that was made in the second in which all users were revoked is revoked too; the next one is not.
  for try in 1 2 3; do
    ! can_log_in "$1" "check-$try-$1" "$2" || return 0
    sleep 1
  done
  fail "a user of $2 can't log in at $url: $(tail -n 1 "$scratch/answer")"
}

# can_log_in KEY USER WHAT
can_log_in() {
  subject=_INBOX_$2.check
  if [ "$3" = "$plain" ]; then allow="--allow-pub=$subject"; else allow=; fi
  edit add user --account "$account" --name "$2" --private-key "$1" --expiry 5m ${allow:+"$allow"}
  edit generate creds --account "$account" --name "$2" --output-file "$scratch/check.creds"
  # Whether the user may publish there or not: only one who is in is told.
  XDG_CONFIG_HOME=$scratch nats --no-context --server "$url" --creds "$scratch/check.creds" --timeout 5s \
    pub "$subject" '' >"$scratch/answer" 2>&1 </dev/null ||
    grep -qi 'permissions violation for publish' "$scratch/answer"
}
