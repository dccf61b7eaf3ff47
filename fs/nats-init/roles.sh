# shellcheck shell=sh disable=SC2034,SC2154 # shares its variables with the script that reads it
# Roles: one file in fs/nats-init/roles = one scoped signing key in the account, which makes the server itself
# enforce the role's permissions.

role_name() { basename "$1" .json; }

# check_roles: every role file is good, or nothing is done; says all that is wrong
check_roles() {
  wrong=0
  found=0
  for file in "$ROLES_DIR"/*.json; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    found=1
    [ -r "$file" ] || reject "$file" "can't be read"
    role_name "$file" | grep -Eqx '[a-z0-9][a-z0-9_-]{0,62}' || reject "$file" "its name must be lower case letters, digits, - and _"
    jq -sr -L "$here" 'include "role"; if length == 1 then .[0] | problems else "must hold one JSON object" end' \
      "$file" >"$scratch/problems" 2>"$scratch/error" || reject "$file" "is not JSON: $(head -n 1 "$scratch/error")"
    # of a key that stands twice the last one counts, and what the first one denied would be gone
    [ "$(jq -n --stream '[inputs | if length == 2 then .[0] else .[0][:-1] end] | length == (unique | length)' "$file" 2>/dev/null)" != false ] ||
      reject "$file" "has the same key twice in one object"
    while read -r problem; do
      reject "$file" "$problem"
    done <"$scratch/problems"
  done
  [ "$found" = 1 ] || fail "$ROLES_DIR holds no role file: nobody could be given a credential"
  [ "$wrong" = 0 ] || fail "role files are wrong; nothing was changed"
}

reject() {
  printf '%s: roles/%s: %s\n' "$name" "$(basename "$1")" "$2" >&2
  wrong=1
}

apply_roles() {
  for role in $({ ls "$ROLES_DIR"; ls "$store/recipe/applied/roles"; } | sed -n 's/\.json$//p' | sort -u); do
    apply_role "$role"
  done
}

apply_role() {
  file=$ROLES_DIR/$1.json
  [ -e "$file" ] || file=/dev/null
  last=$store/recipe/applied/roles/$1.json
  [ -e "$last" ] || last=/dev/null
  step=$(ask_account 'include "role"; claims | step($name; $file[0]; $record[0]) | "\(.action) \(.key // "")"' \
    --arg name "$1" --slurpfile file "$file" --slurpfile record "$last")
  action=${step% *}
  key=${step#* }
  [ -z "$key" ] || [ "$file" = /dev/null ] || [ -f "$(seed_file "$key")" ] ||
    fail "role $1 has the key $key in the account, but its private half is not in this store. Nothing was changed. Bring it in (nsc import keys), or give the role file another name"
  [ "$action" != conflict ] || action=$(settle_conflict "$1")
  case $action in
    none) return ;;
    keep) did="was changed elsewhere and stays so; its file is what it was" ;;
    record)
      record_role "$1"
      did="noted its file"
      ;;
    forget)
      forget_role "$1"
      did="is no longer looked after"
      ;;
    add)
      write_role "$1" generate
      did=added
      ;;
    renew)
      write_role "$1" generate
      did="its signing key was removed elsewhere; made a new one"
      ;;
    change)
      remove_key "$key"
      write_role "$1" "$key"
      did=changed
      ;;
    remove)
      remove_key "$key"
      forget_role "$1"
      did=removed
      ;;
  esac
  say "role $1: $did"
}

settle_conflict() {
  case $NATS_CONFLICT in
    server) [ "$file" = /dev/null ] && echo forget || echo record ;;
    store) [ "$file" = /dev/null ] && echo remove || echo change ;;
    *) fail "role $1 was changed both in its file and in the account. Nothing was changed. Run again with NATS_CONFLICT=server to keep the account's, or NATS_CONFLICT=store to apply the file" ;;
  esac
}

# nsc has no "set exactly this": an edit adds to what is there. So a changed role's key leaves the account and
# comes back with all that the file says.
remove_key() { edit edit account --name "$NATS_ACCOUNT" --rm-sk "$1"; }

# write_role NAME KEY: a scoped signing key as the role file says; KEY may be "generate"
write_role() {
  cp "$(account_file "$NATS_ACCOUNT")" "$scratch/before.jwt"
  eval "set -- \"$1\" \"$2\" $(jq -r -L "$here" --arg name "$1" 'include "role"; arguments($name) | @sh' "$file")"
  role=$1
  key=$2
  shift 2
  edit edit signing-key --account "$NATS_ACCOUNT" --sk "$key" "$@"
  key=$(ask_account 'include "role"; claims | written($before | claims; $name; $file[0])' \
    --rawfile before "$scratch/before.jwt" --arg name "$role" --slurpfile file "$file")
  [ -n "$key" ] || fail "nsc did not write role $role as its file says. Nothing was changed"
  record_role "$role"
}

record_role() {
  jq -c --arg key "$key" '{ key: $key, role: . }' "$file" >"$scratch/role.json"
  install_file "$scratch/role.json" "$store/recipe/applied/roles/$1.json" 600
}

# forget_role: the recipe no longer looks after this role, and the mint no longer gets its key
forget_role() { rm -f "$store/recipe/applied/roles/$1.json"; }
