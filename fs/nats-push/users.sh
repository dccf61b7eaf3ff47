# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Users for the moment. They are made in a copy of the store that only lives as long as this script, and holds no
# private key but theirs.

# with_users FUNCTION: calls it with $store as that copy, where make_user works
with_users() {
  kept=$store
  store=$scratch/users
  if [ ! -d "$store" ]; then
    mkdir -p "$store/keys/keys"
    cp -R "$kept/stores" "$kept/recipe" "$store"
    ln -s "$kept/keys/keys/A" "$store/keys/keys/A"
    users_account=$(cat "$store/recipe/account")
    plain_key=$(jq -r .signing_key "$store/recipe/applied/account.json")
    ask "$(account_file "$users_account")" 'claims.nats.signing_keys[] | if type == "string" then . else .key end' >"$scratch/signing-keys"
  fi
  "$1"
  store=$kept
}

# can_sign KEY: a key may have been removed from the account on the server's side
can_sign() { grep -qx "$1" "$scratch/signing-keys"; }

# make_user KEY USER [OPTION...]: $user_creds are its credentials
make_user() {
  key=$1
  user=$2
  shift 2
  user_creds=users/keys/creds/$operator/$users_account/$user.creds
  edit add user --account "$users_account" --private-key "$key" --name "$user" --expiry 5m "$@"
}
