#!/bin/sh
# Makes sure that bubblewrap, which isolates the commands of `run` on Linux, is installed.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

[ "$(uname -s)" = Linux ] || exit 0
have bwrap || exec sh scripts/setup-system.sh bubblewrap
