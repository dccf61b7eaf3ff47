# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Who is ahead, the nsc store or the server? JWTs carry no version that could tell (every edit signs anew with a
# newer iat), so the recipe remembers, by account id:
#
#   recipe/pushed/<id>.jwt     what the server was last seen to hold
#   recipe/own/<id>.jwt        what nats-init made of that, if nobody else had a hand in it; it can be made again
#   recipe/applied/            the settings and role files behind the store's account (account.sh, roles.sh)
#   recipe/pushed-applied/     the same behind the account that was pushed

pushed_file() { printf '%s/recipe/pushed/%s.jwt' "$store" "$1"; }
own_file() { printf '%s/recipe/own/%s.jwt' "$store" "$1"; }

# known_on_server ID FILE: whether FILE is something the server is known to have got from here
known_on_server() { same "$2" "$(pushed_file "$1")" || same "$2" "$(own_file "$1")"; }

# record_pushed NAME ID FILE: the server holds FILE, and it is what the store says of account NAME
record_pushed() {
  if runs_here "$1" && ! diff -r "$store/recipe/applied" "$store/recipe/pushed-applied/" >/dev/null 2>&1; then
    record_applied
  fi
  remember_pushed "$2" "$3"
}

# record_applied: in one step, since a kill may come at any moment
record_applied() {
  previous=$(readlink "$store/recipe/pushed-applied" || true)
  fresh=$(mktemp -d "$store/recipe/applied-XXXXXX")
  cp -R "$store/recipe/applied/." "$fresh"
  point "$store/recipe/pushed-applied" "${fresh##*/}"
  [ -z "$previous" ] || rm -rf "$store/recipe/$previous"
}

remember_pushed() {
  mkdir -p "$store/recipe/pushed"
  same "$2" "$(pushed_file "$1")" || install_file "$2" "$(pushed_file "$1")" 600
  rm -f "$(own_file "$1")"
}

# runs_here NAME: whether NAME is the account that the recipe's settings and roles are for
runs_here() { [ "$1" = "$(cat "$store/recipe/account")" ]; }
