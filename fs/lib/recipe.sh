# shellcheck shell=sh
# Everything that the scripts of the recipe share. A script sets $name (its service) and $here (its directory) first.

lib=${here:?}/../lib
# shellcheck source=../lib/common.sh
. "$lib/common.sh"
# shellcheck source=../lib/jwt.sh
. "$lib/jwt.sh"
# shellcheck source=../lib/store.sh
. "$lib/store.sh"
# shellcheck source=../lib/sync.sh
. "$lib/sync.sh"
# shellcheck source=../lib/server-dir.sh
. "$lib/server-dir.sh"
