#!/bin/sh
# Builds the static Go helper to build/agentkernel-guest, and the one for sandboxes with a network to build/agentkernel-guest-net,
# unless nothing under guest/ changed since.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

# shellcheck disable=SC2086
[ -e build/agentkernel-guest-net ] && up_to_date build/agentkernel-guest build/guest.stamp $GUEST_SOURCES && exit
go=$(sh scripts/setup-go.sh)

say 'building the sandbox helper'
mkdir -p build/tmp/guest
: >build/tmp/guest.stamp
# The user's cross-compilation settings and workspaces are not meant for this build; stamping asks git, which refuses
# a checkout of another user.
(
  cd guest
  CGO_ENABLED=0 GOTOOLCHAIN=local GOOS='' GOARCH='' GOWORK=off \
    "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o ../build/tmp/guest/ ./cmd/agentkernel-guest ./cmd/agentkernel-guest-net
) >&2 || fail 'the sandbox helper could not be built: see the errors above'
for program in agentkernel-guest agentkernel-guest-net; do put_program "build/tmp/guest/$program" "build/$program"; done
mv -f build/tmp/guest.stamp build/guest.stamp
