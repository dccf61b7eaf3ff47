# shellcheck shell=sh
# Roles: one file in fs/nats-init/roles = one scoped signing key in the account, which makes the server itself
# enforce the role's permissions. A role whose file can't be applied keeps no other one from being served.
#
# State: $refused_roles   the roles whose files can't be applied
refused_roles=

# check_roles: collects the good role files in $scratch/roles, and reports every problem of the others. A file of
# $ROLES_DIR.local takes the place of the one with the same name in $ROLES_DIR; one that holds null removes it.
check_roles() {
  local file
  mkdir "$scratch/roles"
  for file in "$ROLES_DIR.local"/*.json "$ROLES_DIR"/*.json; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    ! is_in_use "$file" "$ROLES_DIR" || check_role "$file"
  done
  has_store || [ -n "$(ls "$scratch/roles")" ] || fail_without_roles
}

# end_check: ends an explicit check, which changes nothing
end_check() {
  local file
  if has_store; then
    use_store
    for file in "$scratch/roles"/*.json; do
      [ ! -e "$file" ] || is_servable "$file" || true
    done
  fi
  [ -z "$refused_roles" ] || fail "these roles have files that can't be applied:$refused_roles"
  log "settings and role files are good: $(cd "$scratch/roles" && echo *.json | sed 's/\.json//g')"
  exit 0
}

fail_without_roles() {
  fail "no role could be applied, so no credential could be issued. Correct a role file in $ROLES_DIR, or add one. Nothing was changed"
}

# check_role FILE
check_role() {
  local file="$1" role problem
  role=${file##*/}
  role=${role%.json}
  role_problems "$file" "$role" >"$scratch/problems"
  while read -r problem; do
    warn "${file#"${ROLES_DIR%/*}/"}: $problem"
  done <"$scratch/problems"
  if [ -s "$scratch/problems" ]; then refuse_role "$role"; else cp "$file" "$scratch/roles/$role.json"; fi
}

refuse_role() { refused_roles="$refused_roles $1"; }

# report_refused_roles: says which roles the other ones are served without
report_refused_roles() {
  local role
  ls "$store/recipe/applied/roles" >"$scratch/served"
  [ -s "$scratch/served" ] || fail_without_roles
  for role in $refused_roles; do
    if [ -e "$(role_record "$role")" ]; then
      warn "role $role: its file can't be applied; its last good one stays in force"
    else
      warn "role $role: its file can't be applied; the other roles are served without it"
    fi
  done
}

# role_problems FILE NAME: what is wrong with a role file, one problem per line
role_problems() {
  [ -r "$1" ] || {
    echo "can't be read"
    return
  }
  printf '%s\n' "$2" | grep -Eqx '[a-z0-9][a-z0-9_-]{0,62}' || echo "its name must be lower case letters, digits, - and _"
  jq -nr --stream -L "$here" 'include "role-problems"; [inputs] | file_problems' "$1" 2>/dev/null ||
    echo "is not JSON: $(json_mistake "$1")"
}

# apply_roles: brings every role that has a good file, or had a file, into the account
apply_roles() {
  local role
  for role in $({ ls "$scratch/roles"; ls "$store/recipe/applied/roles"; } | sed -n 's/\.json$//p' | sort -u); do
    case "$refused_roles " in *" $role "*) ;; *) apply_role "$role" ;; esac
  done
  report_refused_roles
}

# is_servable FILE: the server would accept users of a role with this file. It is refused otherwise.
is_servable() {
  local role="${1##*/}" problem
  role=${role%.json}
  problem=$(query_account 'include "role-problems"; claims | account_problems($file[0])' --slurpfile file "$1" | head -n 1)
  [ -n "$problem" ] || return 0
  warn "roles/$role.json: $problem"
  refuse_role "$role"
  return 1
}

role_record() { printf '%s/recipe/applied/roles/%s.json' "$store" "$1"; }

# apply_role NAME
apply_role() {
  local role="$1" file="$scratch/roles/$1.json" record step action key result
  [ -e "$file" ] || file=/dev/null
  record=$(role_record "$role")
  [ -e "$record" ] || record=/dev/null
  is_servable "$file" || return 0
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
      write_role "$role" "$file" generate || return 0
      result=added
      ;;
    renew)
      write_role "$role" "$file" generate || return 0
      result="its signing key was removed elsewhere; made a new one"
      ;;
    change)
      write_role "$role" "$file" "$key" || return 0
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

remove_key() { run_nsc edit account --name "$NATS_ACCOUNT" --rm-sk "$1"; }

# write_role NAME FILE KEY: gives the role's key the permissions of its file; KEY may be "generate". False, with the account
# as before, when nsc can't do that.
write_role() {
  cp "$(account_file "$NATS_ACCOUNT")" "$scratch/before.jwt"
  ! (write_key "$@") || return 0
  install_file "$scratch/before.jwt" "$(account_file "$NATS_ACCOUNT")" 600
  refuse_role "$1"
  return 1
}

# write_key NAME FILE KEY: nsc can't set a scope exactly: an edit adds to the present one. So the key of a changed role is
# removed from the account and added again with everything that the file says.
write_key() {
  local role="$1" file="$2" key="$3"
  [ "$key" = generate ] || remove_key "$key"
  eval "set -- $(jq -r -L "$here" --arg name "$role" 'include "role-template"; arguments($name) | @sh' "$file")"
  run_nsc edit signing-key --account "$NATS_ACCOUNT" --sk "$key" "$@"
  key=$(query_account 'include "role-step"; claims | written($before | claims; $name; $file[0])' \
    --rawfile before "$scratch/before.jwt" --arg name "$role" --slurpfile file "$file")
  [ -n "$key" ] || fail "nsc did not write role $role as its file says"
  record_role "$role" "$file" "$key"
}

# record_role NAME FILE KEY: notes the role file that is applied, and the role's signing key
record_role() {
  jq -c --arg key "$3" '{ key: $key, role: . }' "$2" >"$scratch/role.json" &&
    install_file "$scratch/role.json" "$(role_record "$1")" 600
}

# forget_role NAME: the recipe no longer manages this role, and the mint no longer gets its key
forget_role() { rm -f "$(role_record "$1")"; }
