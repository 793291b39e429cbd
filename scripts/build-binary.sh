#!/bin/sh
# build-binary.sh run|test: compiles src/main/main.ts to build/agentkernel, unless no source changed since. Fetches Bun
# and the libraries for that; `test` gets the development tools as well.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh
root=$PWD packages=production
[ "$1" = test ] && packages=all

# The lists are split into words on purpose: our own file names have no spaces.
# shellcheck disable=SC2086
up_to_date build/agentkernel build/agentkernel.stamp $BINARY_SOURCES && [ "$1" = run ] && exit
bun=$(sh scripts/setup-bun.sh)
sh scripts/setup-deps.sh "$bun" "$packages"
# shellcheck disable=SC2086
up_to_date build/agentkernel build/agentkernel.stamp $BINARY_SOURCES && exit
[ -f src/main/main.ts ] || fail 'src/main/main.ts is missing: this checkout is not complete'

say 'building agentkernel'
mkdir -p build/tmp/binary
: >build/tmp/binary.stamp
# Bun keeps a temporary file in the current folder and names the program after its file, hence the folder of its own.
# The built program must not read .env, bunfig.toml, tsconfig.json or package.json of the folder it is started in: that
# folder may be hostile. Bytecode saves 2.5 ms of each start; splitting keeps lazily imported modules unread until used.
cd build/tmp/binary
"$bun" build --compile --bytecode --minify --splitting --format=esm --sourcemap=none \
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
  --no-compile-autoload-tsconfig --no-compile-autoload-package-json \
  "$root/src/main/main.ts" --outfile agentkernel >"$root/build/tmp/binary.log" 2>&1 || {
  cat "$root/build/tmp/binary.log" >&2
  fail 'agentkernel could not be built: see the errors above'
}
cd "$root"
put_program build/tmp/binary/agentkernel build/agentkernel
mv -f build/tmp/binary.stamp build/agentkernel.stamp
