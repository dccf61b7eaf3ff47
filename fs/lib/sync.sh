# shellcheck shell=sh
# Which is newer, the account JWT in the nsc store or the server's? A JWT carries no version that could tell (every edit
# signs it again, with a later iat), so the recipe records, by account id:
#
#   recipe/pushed/<id>.jwt     what the server was last seen to hold
#   recipe/own/<id>.jwt        what nats-init made of that, if nothing else has changed it; it can be made again
#   recipe/applied/            the settings and role files behind the store's account (account.sh, roles.sh)
#   recipe/pushed-applied/     the same behind the account that was pushed

pushed_file() { printf '%s/recipe/pushed/%s.jwt' "$store" "$1"; }
own_file() { printf '%s/recipe/own/%s.jwt' "$store" "$1"; }

# known_on_server ID FILE: the server is known to have received FILE from this store
known_on_server() { same_file "$2" "$(pushed_file "$1")" || same_file "$2" "$(own_file "$1")"; }

# record_in_sync NAME ID FILE: notes that the server holds FILE, the JWT that the store has, or had, for account NAME
record_in_sync() {
  if is_application_account "$1" && same_file "$3" "$(account_file "$1")" && ! diff -r "$store/recipe/applied" "$store/recipe/pushed-applied/" >/dev/null 2>&1; then
    record_applied
  fi
  record_on_server "$2" "$3"
}

# record_in_force NAME ID FILE: the same in the store in force. It may have been replaced since this script read it, and no
# change may replace it meanwhile.
record_in_force() {
  local read="$store" read_operator="$operator_dir"
  lock "$NSC_DIR/lock"
  store=$NSC_DIR/$(readlink "$NSC_DIR/current")
  find_operator || fail_damaged "it should hold one operator"
  record_in_sync "$@"
  store=$read
  operator_dir=$read_operator
  unlock
}

# record_applied: in one step, since a kill may come at any moment
record_applied() {
  local previous fresh
  previous=$(readlink "$store/recipe/pushed-applied" || true)
  fresh=$(mktemp -d "$store/recipe/applied-XXXXXX")
  link_copy "$store/recipe/applied" "$store/recipe/pushed-applied" "${fresh##*/}"
  [ -z "$previous" ] || rm -rf "$store/recipe/$previous"
}

# record_on_server ID FILE: notes that the server holds FILE
record_on_server() {
  mkdir -p "$store/recipe/pushed"
  same_file "$2" "$(pushed_file "$1")" || install_file "$2" "$(pushed_file "$1")" 600
  [ ! -e "$(own_file "$1")" ] || rm -f "$(own_file "$1")"
}
