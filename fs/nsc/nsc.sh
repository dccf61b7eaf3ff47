#!/bin/sh
# nsc on the recipe's store, on a copy that is switched over when the command went well: however it ends, the
# store is whole. `docker compose up` (or `npm start`) then pushes what was changed.
set -eu

name=nsc
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/recipe.sh
. "$here/../lib/recipe.sh"

has_state || fail "there is no nsc store in $NSC_DIR yet: nats-init makes it"
open_copy
# not the nsc of store.sh: this one may ask questions, and its paths are relative to the caller's directory
command nsc --config-dir "$scratch/nsc" --data-dir "$store/stores" --keystore-dir "$store/keys" "$@"
(
  damaged() { fail "$1"; } # it is only the copy
  check_store
) 2>"$scratch/why" ||
  fail "that would leave a store that the recipe can't work with ($(tail -n 1 "$scratch/why")). Nothing was changed"
if copy_differs; then switch_over; else close_copy; fi
