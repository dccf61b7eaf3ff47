#!/bin/sh
# Lists the pinned packages and programs that have a newer version: npm packages, then the programs of tools/go.mod. A
# test compares the versions of nats-server and Bun in .env with these; look up the version of nats-box by hand.
set -eu
cd "$(dirname "$0")/.."

echo "npm packages (package.json):"
npm outdated || true # exits 1 when it lists something

echo
echo "Go programs and toolchain (tools/go.mod):"
cd tools
go mod edit -json | sed -n 's/.*"Toolchain": "\(.*\)".*/toolchain \1; newer ones: https:\/\/go.dev\/dl/p'
for module in github.com/itchyny/gojq github.com/nats-io/nats-server/v2 github.com/nats-io/natscli github.com/nats-io/nsc/v2; do
  GOTOOLCHAIN=auto go list -m -u "$module" 2>&1 || true
done
