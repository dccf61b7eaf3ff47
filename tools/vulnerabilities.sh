#!/bin/sh
# Searches the Go programs in .tools for known vulnerabilities, with govulncheck. Exits 1 if it finds one, and 0 with a
# message if its database (https://vuln.go.dev) can't be reached.
set -eu
cd "$(dirname "$0")/.."

govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0
found=0
for program in .tools/nats-server .tools/nats .tools/nsc .tools/gojq; do
  [ -x "$program" ] || continue
  report=$(GOTOOLCHAIN=auto go run "$govulncheck" -mode=binary "$program" 2>&1) && continue
  case $report in
    *"fetching vulnerabilities"*)
      echo "known vulnerabilities: NOT CHECKED, the database can't be reached: $(printf '%s\n' "$report" | grep -m 1 "fetching vulnerabilities")"
      exit 0
      ;;
  esac
  printf '%s\n%s\n' "== $program" "$report"
  found=1
done
[ "$found" = 1 ] || echo "known vulnerabilities: none in the programs of .tools"
exit "$found"
