#!/bin/sh
# The test command: sets up, checks, runs every test, and ends in one line `N passed, N failed, N skipped`.
# With arguments it runs only these test files: npm test -- src/lib
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

cannot_start() {
  echo '0 passed, 1 failed, 0 skipped'
  exit 1
}

have git || { say 'git is missing: install it (Debian and Ubuntu: package git)' && cannot_start; }
sh scripts/setup.sh test || cannot_start
usable_caches
bun=$(sh scripts/setup-bun.sh)
go=$(sh scripts/setup-go.sh)
PATH=${bun%/*}:${go%/*}:$PATH
# The marker finds whatever a test left running: see scripts/summarise.ts.
AGENTKERNEL_TEST_RUN=$$.$(date +%s)
export PATH AGENTKERNEL_TEST_RUN GOTOOLCHAIN=local NO_COLOR=1
unset FORCE_COLOR

out=$PWD/build/test
rm -rf "$out"
mkdir -p "$out"

# A group of its own, so that ending this script ends the tests and what they started.
in_group() {
  if have setsid; then setsid "$@" & else "$@" & fi
  group=$!
  trap 'kill -s TERM -- "-$group" 2>/dev/null || kill -TERM "$group"; exit 143' INT TERM HUP
  wait "$group" || true
  trap - INT TERM HUP
}

if [ $# = 0 ]; then
  set -- src test bench scripts sdk
  sh scripts/check.sh "$out/checks" || true
  # shellcheck disable=SC2016
  in_group sh -c 'cd guest && "$1" test -json ./... >"$0/go.json" 2>"$0/go.log"; echo $? >"$0/go.status"' "$out" "$go"
fi
# shellcheck disable=SC2016
in_group sh -c '{ "$@" 2>&1; echo $? >"$0/bun.status"; } | tee "$0/bun.log"' "$out" \
  "$bun" test --timeout 30000 --reporter=junit "--reporter-outfile=$out/bun.xml" "$@"

exec "$bun" scripts/summarise.ts "$out"
