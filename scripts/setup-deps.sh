#!/bin/sh
# setup-deps.sh BUN production|all: installs what bun.lock names, unless it is there already.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh
bun=$1 wanted=$2

# Succeeds when the packages of set $1 were installed after the last change of the lockfile.
installed() {
  stamp=node_modules/.agentkernel-$1
  [ -e "$stamp" ] && [ -z "$(find bun.lock package.json -newer "$stamp")" ]
}

installed all && exit
if [ "$wanted" = production ]; then
  installed production && exit
  say 'installing the libraries that run needs'
  set -- --production
else
  say 'installing the libraries and development tools'
  set --
fi
rm -f node_modules/.agentkernel-*
quietly "$bun" install --frozen-lockfile --ignore-scripts "$@" || fail 'the libraries could not be installed: see the message above'
touch "node_modules/.agentkernel-$wanted"
