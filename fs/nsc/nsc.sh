#!/bin/sh
# nsc on a copy of the recipe's store, which becomes the store in force if the command succeeds: whatever happens, the
# store stays complete. `docker compose up` (or `npm start`) then pushes the changes.
set -eu

name=nsc
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"

# run_command ARGUMENT...: not with the function nsc, since a command may ask questions, and its paths are relative to the
# caller's directory
run_command() {
  command nsc --config-dir "$scratch/nsc" --data-dir "$store/stores" --keystore-dir "$store/keys" "$@"
}

require_store
edit_store run_command "$@"
