#!/bin/sh
# Runs Bun, which comes from npm, on a file of this project. Installs the packages first when the lockfile is not
# the one that was installed.
set -eu
cd "$(dirname "$0")/../.."

if ! cmp -s package-lock.json node_modules/.installed-lock; then
  echo "Installing packages from package-lock.json ..."
  if ! npm ci --include=dev --no-audit --no-fund --loglevel=error; then
    echo "npm ci failed, see above. Nothing was started; run it again when that is mended." >&2
    exit 1
  fi
  cp package-lock.json node_modules/.installed-lock
fi

# Where install scripts are off, npm's "bun" is a stub and the program is in the package for this platform.
for bun in node_modules/.bin/bun node_modules/@oven/*/bin/bun; do
  if "$bun" --version >/dev/null 2>&1; then exec "$bun" --no-env-file "$@"; fi
done
echo "Bun does not run from node_modules: npm has no build of it for this machine ($(uname -sm))." >&2
exit 1
