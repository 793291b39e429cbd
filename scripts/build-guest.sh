#!/bin/sh
# Builds the static Go helper to build/agentkernel-guest, unless nothing under guest/ changed since.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

# shellcheck disable=SC2086
up_to_date build/agentkernel-guest build/guest.stamp $GUEST_SOURCES && exit
go=$(sh scripts/setup-go.sh)

say 'building the sandbox helper'
mkdir -p build/tmp
: >build/tmp/guest.stamp
# The user's cross-compilation settings and workspaces are not meant for this build; stamping asks git, which refuses
# a checkout of another user.
(
  cd guest
  CGO_ENABLED=0 GOTOOLCHAIN=local GOOS='' GOARCH='' GOWORK=off \
    "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o ../build/tmp/agentkernel-guest ./cmd/agentkernel-guest
) >&2 || fail 'the sandbox helper could not be built: see the errors above'
mv -f build/tmp/agentkernel-guest build/agentkernel-guest
mv -f build/tmp/guest.stamp build/guest.stamp
