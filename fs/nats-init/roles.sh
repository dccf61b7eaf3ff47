# shellcheck shell=sh
# Roles: one file in fs/nats-init/roles = one scoped signing key in the account, which makes the server itself
# enforce the role's permissions.

# check_roles: reports every problem of the role files, and fails if there are any
check_roles() {
  local file role problem found=false wrong=false
  for file in "$ROLES_DIR"/*.json; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    found=true
    role=${file##*/}
    role=${role%.json}
    role_problems "$file" "$role" >"$scratch/problems"
    [ ! -s "$scratch/problems" ] || wrong=true
    while read -r problem; do
      warn "roles/$role.json: $problem"
    done <"$scratch/problems"
  done
  $found || fail "$ROLES_DIR holds no role file, so no credential could be issued. Add one"
  ! $wrong || fail "role files are wrong; nothing was changed"
}

# role_problems FILE NAME: what is wrong with a role file, one problem per line
role_problems() {
  [ -r "$1" ] || {
    echo "can't be read"
    return
  }
  printf '%s\n' "$2" | grep -Eqx '[a-z0-9][a-z0-9_-]{0,62}' || echo "its name must be lower case letters, digits, - and _"
  jq -nr --stream -L "$here" 'include "role-problems"; [inputs] | file_problems' "$1" 2>"$scratch/error" ||
    echo "is not JSON: $(head -n 1 "$scratch/error")"
}

# apply_roles: brings every role that has a file, or had one, into the account
apply_roles() {
  local role
  for role in $({ ls "$ROLES_DIR"; ls "$store/recipe/applied/roles"; } | sed -n 's/\.json$//p' | sort -u); do
    apply_role "$role"
  done
}

role_record() { printf '%s/recipe/applied/roles/%s.json' "$store" "$1"; }

# apply_role NAME
apply_role() {
  local role="$1" file="$ROLES_DIR/$1.json" record step action key result
  [ -e "$file" ] || file=/dev/null
  record=$(role_record "$role")
  [ -e "$record" ] || record=/dev/null
  step=$(query_account 'include "role-step"; claims | step($name; $file[0]; $record[0]) | "\(.action) \(.key // "")"' \
    --arg name "$role" --slurpfile file "$file" --slurpfile record "$record")
  action=${step% *}
  key=${step#* }
  [ -z "$key" ] || [ "$file" = /dev/null ] || [ -f "$(seed_file "$key")" ] ||
    fail "role $role has the key $key in the account, but its private half is not in this store. Nothing was changed. Import it (nsc import keys), or rename the role file"
  [ "$action" != conflict ] || action=$(resolve_role_conflict "$role" "$file")
  case $action in
    none) return ;;
    keep) result="was changed elsewhere, not in its file; it is kept" ;;
    record)
      record_role "$role" "$file" "$key"
      result="recorded its file"
      ;;
    forget)
      forget_role "$role"
      result="is no longer managed by the recipe"
      ;;
    add)
      write_role "$role" "$file" generate
      result=added
      ;;
    renew)
      write_role "$role" "$file" generate
      result="its signing key was removed elsewhere; made a new one"
      ;;
    change)
      remove_key "$key"
      write_role "$role" "$file" "$key"
      result=changed
      ;;
    remove)
      remove_key "$key"
      forget_role "$role"
      result=removed
      ;;
  esac
  log "role $role: $result"
}

# resolve_role_conflict NAME FILE: prints what to do about it: forget, record, remove or change
resolve_role_conflict() {
  case $NATS_CONFLICT in
    server) if [ "$2" = /dev/null ]; then echo forget; else echo record; fi ;;
    store) if [ "$2" = /dev/null ]; then echo remove; else echo change; fi ;;
    *) fail "role $1 was changed both in its file and in the account. Nothing was changed. Run again with NATS_CONFLICT=server to keep the account's, or NATS_CONFLICT=store to apply the file" ;;
  esac
}

# remove_key KEY: nsc can't set a scope exactly: an edit adds to the present one. So a changed role's key is removed from
# the account and added again with everything that the file says.
remove_key() { run_nsc edit account --name "$NATS_ACCOUNT" --rm-sk "$1"; }

# write_role NAME FILE KEY: adds a scoped signing key as the role file says; KEY may be "generate"
write_role() {
  local role="$1" file="$2" key="$3"
  cp "$(account_file "$NATS_ACCOUNT")" "$scratch/before.jwt"
  eval "set -- $(jq -r -L "$here" --arg name "$role" 'include "role-template"; arguments($name) | @sh' "$file")"
  run_nsc edit signing-key --account "$NATS_ACCOUNT" --sk "$key" "$@"
  key=$(query_account 'include "role-step"; claims | written($before | claims; $name; $file[0])' \
    --rawfile before "$scratch/before.jwt" --arg name "$role" --slurpfile file "$file")
  [ -n "$key" ] || fail "nsc did not write role $role as its file says. Nothing was changed"
  record_role "$role" "$file" "$key"
}

# record_role NAME FILE KEY: notes the role file that is applied, and the role's signing key
record_role() {
  jq -c --arg key "$3" '{ key: $key, role: . }' "$2" >"$scratch/role.json"
  install_file "$scratch/role.json" "$(role_record "$1")" 600
}

# forget_role NAME: the recipe no longer manages this role, and the mint no longer gets its key
forget_role() { rm -f "$(role_record "$1")"; }
