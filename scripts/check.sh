#!/bin/sh
# check.sh [RESULTS]: format, lint, types and scripts. Prints one line a check, and all that a failed one said.
# RESULTS gets a line `pass|fail|skip NAME` for each.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh
results=${1:-/dev/null}
code='src test bench scripts sdk'
go=$(sh scripts/setup-go.sh)
export GOTOOLCHAIN=local
bin=node_modules/.bin
failed=

# check NAME COMMAND...: the command must succeed.
check() {
  name=$1
  shift
  if output=$("$@" 2>&1); then
    echo "ok      $name"
    echo "pass $name" >>"$results"
  else
    echo "FAILED  $name"
    printf '%s\n' "$output"
    echo "fail $name" >>"$results"
    failed=1
  fi
}

skip() {
  echo "skipped $1: $2"
  echo "skip $1: $2" >>"$results"
}

# gofmt -l succeeds whatever it lists.
gofmt_clean() {
  listed=$("${go%/*}/gofmt" -l guest) && [ -z "$listed" ] && return
  echo "not formatted, run gofmt -w: $listed"
  return 1
}

go_vet() { (cd guest && "$go" vet ./...); }

# shellcheck disable=SC2086
check 'format (npm run format)' $bin/oxfmt --check $code
# shellcheck disable=SC2086
check 'lint' $bin/oxlint --type-aware --deny-warnings $code
check 'types' $bin/tsc --noEmit
check 'gofmt' gofmt_clean
check 'go vet' go_vet
if have shellcheck; then
  check 'shell scripts' shellcheck -x agentkernel .ci/run scripts/*.sh
else
  skip 'shell scripts' 'shellcheck is not installed'
fi
[ -z "$failed" ]
