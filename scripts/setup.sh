#!/bin/sh
# setup.sh run|test [ARGUMENT...]: makes this checkout ready. `run` does what the launcher needs to start ARGUMENT...,
# `test` adds the development tools. Finished parts are skipped, so an interrupted set-up continues.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh
mode=$1
shift

main() {
  stop_when_not_writable
  mkdir -p build
  take_lock
  [ "$mode" = run ] && built_meanwhile && return
  rm -rf build/tmp
  mkdir -p build/tmp
  usable_caches
  : >build/tmp/stamp
  started=$(date +%s)
  prepare_parts
  write_fresh
  give_to_owner
  explain_sandbox "$@" || exit 1
  rm -rf build/tmp
  say "ready after $(($(date +%s) - started)) s"
}

# Someone else's or a read-only checkout still runs what was built in it.
stop_when_not_writable() {
  if [ -e build ]; then [ -w build ] && return; else [ -w . ] && return; fi
  if [ "$mode" != run ] || [ ! -x build/agentkernel ]; then
    fail "this checkout cannot be written: let its owner run it once ($PWD/agentkernel doctor)"
  fi
  say 'the sources are newer than the build, but this checkout cannot be written: running what is built'
  exit 0
}

built_meanwhile() {
  # shellcheck disable=SC2034
  root=. fresh=
  # shellcheck source=/dev/null
  [ ! -r build/fresh.sh ] || . build/fresh.sh
  [ -n "$fresh" ]
}

# System packages, the helper and the program do not depend on each other: all three at once. The two that take long
# get a process group each, so that a signal to set-up ends npm, pip and go with what they started. The package manager
# is let finish instead: a half-installed package is worse than a wait.
prepare_parts() {
  group=
  ! have setsid || group=setsid
  trap 'stop_parts; exit 130' INT
  trap 'stop_parts; exit 143' TERM HUP
  $group sh scripts/build-binary.sh "$mode" &
  program=$!
  helper=
  if [ "$(uname -s)" = Linux ]; then
    $group sh scripts/build-guest.sh &
    helper=$!
  fi
  failed=
  have bwrap || say 'making sure that bubblewrap is installed'
  sh scripts/setup-bubblewrap.sh 2>build/tmp/sandbox.log && : >build/tmp/sandbox.log
  wait "$program" || failed=1
  [ -z "$helper" ] || wait "$helper" || failed=1
  trap - INT TERM HUP
  [ -z "$failed" ] || exit 1
}

stop_parts() {
  for part in $program $helper; do
    kill -s TERM -- "-$part" 2>/dev/null || kill -TERM "$part" 2>/dev/null || true
  done
  wait
}

# Without the right to install, bubblewrap stops only a `run` of the default backend, and once: from then on the program
# is built and explains better, or takes another backend.
explain_sandbox() {
  [ -s build/tmp/sandbox.log ] || return 0
  cat build/tmp/sandbox.log >&2
  case "$mode ${1-} $*" in
    run\ run\ *' -B '* | run\ run\ *' --backend'*) return 0 ;;
    run\ run\ * | test\ *) return 1 ;;
  esac
}

# The launcher's check as shell code: every source and folder by name, so that it needs no process. A new or deleted
# file shows in the time of its folder. Tests are left out: they are not in the program.
# shellcheck disable=SC2016,SC1003
write_fresh() {
  {
    echo '# Written by scripts/setup.sh. Sourced with $root set; sets $fresh when the build is newer than every source.'
    echo '[ -x "$root/build/agentkernel" ] && fresh=yes'
    [ "$(uname -s)" != Linux ] || echo '[ -x "$root/build/agentkernel-guest" ] && [ -x "$root/build/agentkernel-guest-net" ] || fresh='
    echo 'for file in \'
    # shellcheck disable=SC2086
    sources $BINARY_SOURCES $GUEST_SOURCES | sed 's/.*/  & \\/'
    echo '; do if [ "$root/$file" -nt "$root/build/stamp" ]; then fresh=; break; fi; done'
  } >build/tmp/fresh.sh
  mv -f build/tmp/stamp build/stamp
  mv -f build/tmp/fresh.sh build/fresh.sh
}

# `sudo ./agentkernel` must not leave files that the owner of the checkout cannot replace.
give_to_owner() {
  [ "$(id -u)" = 0 ] || return 0
  owner=$(stat -c %u:%g . 2>/dev/null || stat -f %u:%g .)
  case $owner in 0:*) return 0 ;; esac
  chown -Rh "$owner" build
  [ ! -e node_modules ] || chown -Rh "$owner" node_modules
}

main "$@"
