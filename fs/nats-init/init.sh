#!/bin/sh
# Makes, or brings up to date, everything that NATS starts from: operator, accounts, signing keys, server
# configuration. It may run at any time and be killed at any time: it leaves the old state or the new one. With the
# argument check it only checks the settings and role files.
set -eu

name=nats-init
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"
# shellcheck source=settings.sh
. "$here/settings.sh"
# shellcheck source=account.sh
. "$here/account.sh"
# shellcheck source=roles.sh
. "$here/roles.sh"
# shellcheck source=adopt-server-changes.sh
. "$here/adopt-server-changes.sh"
# shellcheck source=server-config.sh
. "$here/server-config.sh"
# shellcheck source=monitoring.sh
. "$here/monitoring.sh"

update_store() {
  if has_store; then
    check_names
    adopt_server_changes "$SERVER_DIR"
    list_unedited_accounts
  else
    refuse_orphans "$SERVER_DIR"
    make_operator
    make_account
    cp "$scratch/accounts" "$scratch/unedited"
  fi
  apply_account
  apply_roles
  record_own
}

check_settings
check_roles
[ "${1:-}" != check ] || end_check

open_server_dir "$SERVER_DIR"
before=$(linked_generation current)
edit_store update_store
after=$(linked_generation current)

make_server_dirs "$SERVER_DIR"
install_system_account "$SERVER_DIR"
install_monitoring_path "$SERVER_DIR"
install_server_config "$SERVER_DIR"

if [ "$before" != "$after" ] || $config_changed; then log "ready"; else log "nothing to change"; fi
