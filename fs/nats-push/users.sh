# shellcheck shell=sh
# Users of the application's account that exist for a few minutes. They are made in a copy of the store in $scratch, which
# holds no private key but the account's and theirs.
#
# State: $users_account   the name of the application's account
#        $plain_key       its plain signing key
users_account=
plain_key=

# make_user_store: makes that copy
make_user_store() {
  local copy="$scratch/users"
  mkdir -p "$copy/keys/keys"
  cp -R "$store/stores" "$copy"
  ln -s "$store/keys/keys/A" "$copy/keys/keys/A"
  users_account=$(application_account)
  plain_key=$(recorded_plain_key)
  query_jwt "$(account_file "$users_account")" 'claims.nats.signing_keys[] | if type == "string" then . else .key end' >"$scratch/signing-keys"
}

# can_sign KEY: the account still has this signing key; it may have been removed on the server
can_sign() { grep -qx "$1" "$scratch/signing-keys"; }

# make_user KEY USER [OPTION...]: a user that KEY signs, whose credentials are user_creds USER
make_user() {
  local key="$1" user="$2"
  shift 2
  run_nsc_on "$scratch/users" add user --account "$users_account" --private-key "$key" --name "$user" --expiry 5m "$@"
}

# user_creds USER: the path of its credentials in $scratch
user_creds() { printf 'users/keys/creds/%s/%s/%s.creds' "$operator" "$users_account" "$1"; }
