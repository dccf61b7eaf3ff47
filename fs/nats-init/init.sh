#!/bin/sh
# Makes, or brings up to date, everything that NATS starts from: operator, accounts, signing keys, server
# configuration. It may run at any time and be killed at any time: it ends with the old state or the new one.
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
# shellcheck source=take-in.sh
. "$here/take-in.sh"
# shellcheck source=server-config.sh
. "$here/server-config.sh"
# shellcheck source=monitoring.sh
. "$here/monitoring.sh"

check_settings
check_roles

open_server_dir
open_copy
if has_state; then
  check_names
  take_in
  find_clean_accounts
else
  refuse_orphans
  make_operator
  make_account
  cp "$scratch/accounts" "$scratch/clean"
fi
apply_account
apply_roles
remember_own
check_store

if copy_differs; then
  switch_over
  state_changed=true
else
  close_copy
  state_changed=false
fi
clear_leftovers
use_current
keep_monitoring_path
write_server_config

if $state_changed || $config_changed; then say "ready"; else say "nothing to change"; fi
