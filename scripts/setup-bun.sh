#!/bin/sh
# Prints the path of the pinned Bun, fetching it from the npm registry when needed.
# A bun on PATH serves only when it is exactly that version.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

platform() {
  case "$(uname -s) $(uname -m)" in
    'Linux x86_64') grep -qw avx2 /proc/cpuinfo && name=linux-x64$(musl) || name=linux-x64$(musl)-baseline ;;
    'Linux aarch64' | 'Linux arm64') name=linux-aarch64$(musl) ;;
    'Darwin x86_64') sysctl -n machdep.cpu.leaf7_features | grep -qw AVX2 && name=darwin-x64 || name=darwin-x64-baseline ;;
    'Darwin arm64') name=darwin-aarch64 ;;
    *) fail "Bun does not run on $(uname -s) $(uname -m): agentkernel needs Linux or macOS on x86_64 or arm64" ;;
  esac
  echo "$name"
}

musl() { if ldd --version 2>&1 | grep -qi musl; then echo -musl; fi; }

require_npm() {
  have node || fail "Node is missing: install Node $NODE_MINIMUM or newer with npm (Debian and Ubuntu: packages nodejs and npm)"
  version=$(node --version)
  at_least "${version#v}" "$NODE_MINIMUM" || fail "Node ${version#v} is too old: install Node $NODE_MINIMUM or newer (Debian and Ubuntu: package nodejs)"
  have npm || fail 'npm is missing: install it (Debian and Ubuntu: package npm)'
}

fetch() {
  name=$(platform)
  say "fetching Bun $BUN_VERSION (50 MB, from npm)"
  rm -rf build/tmp/bun
  mkdir -p build/tmp/bun
  quietly npm pack --ignore-scripts --pack-destination build/tmp/bun "@oven/bun-$name@$BUN_VERSION" ||
    fail "Bun could not be fetched with npm: see the message above"
  archive=$(echo build/tmp/bun/*.tgz)
  [ "$(checksum 512 "$archive")" = "$(bun_sha512 "$name")" ] || fail "the fetched Bun does not have the checksum in scripts/versions.sh: nothing was installed"
  tar -xzf "$archive" -C build/tmp/bun
  chmod 755 build/tmp/bun/package/bin/bun
  [ "$(build/tmp/bun/package/bin/bun --version)" = "$BUN_VERSION" ] || fail 'the fetched Bun does not start on this machine'
  mkdir -p "${own%/*}"
  mv -f build/tmp/bun/package/bin/bun "$own"
  rm -rf build/tmp/bun
}

own=build/tools/bun-$BUN_VERSION/bun
if [ ! -x "$own" ]; then
  if have bun && [ "$(bun --version 2>/dev/null)" = "$BUN_VERSION" ]; then
    command -v bun
    exit
  fi
  require_npm
  fetch
fi
echo "$PWD/$own"
