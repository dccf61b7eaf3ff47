#!/bin/sh
# Checks the workflows in .github/workflows with the actionlint that tools/actionlint/go.mod pins, and the scripts in them
# with ShellCheck. Without Go it checks nothing, and fails only in CI.
set -eu
cd "$(dirname "$0")/actionlint"

if ! command -v go >/dev/null; then
  echo "SKIPPED: Go is not on PATH"
  [ -z "${CI:-}" ]
  exit
fi
# -pyflakes=: no workflow has a Python script
GOTOOLCHAIN=auto exec go tool actionlint -pyflakes= ../../.github/workflows/*.yml
