#!/bin/sh
# Brings the accounts of the nsc store into force on every server, and ends only when they are: each server reports it,
# and a user of every role can log in. Then it removes consumers that deliver where they should not, and makes the streams
# that are missing.
set -eu

name=nats-push
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"
# shellcheck source=server.sh
. "$here/server.sh"
# shellcheck source=accounts.sh
. "$here/accounts.sh"
# shellcheck source=users.sh
. "$here/users.sh"
# shellcheck source=login.sh
. "$here/login.sh"
# shellcheck source=jetstream.sh
. "$here/jetstream.sh"
# shellcheck source=streams.sh
. "$here/streams.sh"
# shellcheck source=consumers.sh
. "$here/consumers.sh"

require_env SERVER_DIR STREAMS_DIR NATS_URL NATS_WS_URL
check_streams
use_store
use_system_user

wait_for_server
apply_server_config "$SERVER_DIR"
push_accounts
make_user_store
check_logins
wait_until_in_force
report_deleted_accounts
remove_foreign_consumers
make_streams
if $pushed; then result="all is in force"; else result="nothing to push: all is in force"; fi
log "$result${refused_roles:+, but the server refuses users of:$refused_roles}"
