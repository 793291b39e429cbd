# shellcheck shell=sh
# What the set-up scripts share. Sourced from the root of the checkout; prints on stderr only.

# shellcheck source=scripts/versions.sh
. scripts/versions.sh

# What goes into the program and into the helper. Paths without spaces: the lists are split into words.
# shellcheck disable=SC2034
BINARY_SOURCES='src sdk/typescript/src package.json bun.lock tsconfig.json scripts/versions.sh scripts/build-binary.sh'
# shellcheck disable=SC2034
GUEST_SOURCES='guest scripts/build-guest.sh'

say() { printf 'agentkernel: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Succeeds when version $1 is at least $2: "1.26.8" and "1.24".
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Lists the files and folders under the given paths that can change a build: tests cannot.
sources() { find "$@" ! -name '*.test.ts' ! -name '*_test.go'; }

# up_to_date RESULT STAMP SOURCE...: the result exists and no source is newer than the stamp its build left.
up_to_date() {
  [ -e "$1" ] && [ -e "$2" ] || return 1
  stamp=$2
  shift 2
  [ -z "$(find "$@" ! -name '*.test.ts' ! -name '*_test.go' -newer "$stamp" -print 2>&1 | head -n 1)" ]
}

# put_program FILE PLACE: FILE becomes the program at PLACE. It is written once more, in large pieces: the kernel keeps a file in pages
# as large as it was written in, linkers write small ones, and each start of the program took 2 ms longer from these.
put_program() {
  dd if="$1" of="$1.whole" bs=4194304 2>/dev/null || fail "$2 could not be written: is the disk full?"
  chmod 755 "$1.whole"
  rm -f "$1"
  # A rename: a program that runs now keeps its old file.
  mv -f "$1.whole" "$2"
}

# Runs a command quietly; its whole output appears only when it fails.
quietly() {
  log=build/tmp/log.$$
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
}

# Prints the checksum of file $2 by algorithm 256 or 512. macOS has shasum, Linux sha256sum and sha512sum.
checksum() {
  if have "sha$1sum"; then "sha$1sum" "$2"; else shasum -a "$1" "$2"; fi | cut -d ' ' -f 1
}

# Runs a command as root, or explains how to; a password is never asked for.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 77
  fi
}

# A home that cannot be written (or is missing) must not stop a build: caches go into build/ instead.
usable_caches() {
  [ -n "${HOME-}" ] && [ -d "$HOME" ] && [ -w "$HOME" ] && return
  caches=$PWD/build/tools/caches
  mkdir -p "$caches"
  export npm_config_cache="$caches/npm" GOCACHE="$caches/go" GOPATH="$caches/gopath"
  export XDG_CACHE_HOME="$caches" BUN_INSTALL_CACHE_DIR="$caches/bun"
}

# Exactly one set-up at a time in a checkout. flock lets go by itself when a process dies; where it does not exist
# (macOS), a folder is the lock and a dead owner's has to be removed by hand.
take_lock() {
  if have flock; then
    exec 9>build/lock
    flock -n 9 && return
    say 'waiting for another set-up of this checkout'
    flock -w 600 9 || fail 'another set-up of this checkout did not end within 10 minutes'
    return
  fi
  waited=0
  until mkdir build/lock.d 2>/dev/null; do
    [ "$waited" = 0 ] && say 'waiting for another set-up of this checkout'
    waited=$((waited + 1))
    [ "$waited" -le 600 ] || fail "another set-up did not end within 10 minutes; if none runs: rmdir '$PWD/build/lock.d'"
    sleep 1
  done
  trap 'rmdir build/lock.d' EXIT
}
