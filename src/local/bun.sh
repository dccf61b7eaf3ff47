#!/bin/sh
# Runs a file of this project with Bun, which is installed from npm. Installs the packages first when the lockfile has
# changed since they were installed. Messages go to standard error: standard output is that of the file.
set -eu
cd "$(dirname "$0")/../.."

node src/local/check-node.cjs || exit 1

if ! cmp -s package-lock.json node_modules/.installed-lock; then
  echo "Installing packages from package-lock.json, which takes a minute ..." >&2
  if ! npm ci --include=dev --no-audit --no-fund --loglevel=error >&2; then
    echo "npm ci failed: see the message above. Nothing was started. Correct the cause, then run the command again." >&2
    exit 1
  fi
  cp package-lock.json node_modules/.installed-lock
fi

# With install scripts turned off, npm's "bun" is a stub; the program itself is in the package for this platform.
for bun in node_modules/.bin/bun node_modules/@oven/*/bin/bun; do
  if "$bun" --version >/dev/null 2>&1; then exec "$bun" --no-env-file "$@"; fi
done
echo "Bun can't be run from node_modules: npm has no build of it for this machine ($(uname -sm))." >&2
exit 1
