#!/bin/sh
# setup-system.sh PACKAGE...: installs packages of the distribution as root or by `sudo -n`. A password is never asked
# for: without the right to install, the exact line to type is printed and the exit status is 1.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

# Two steps of one set-up may both need a package, and a package manager allows one at a time.
if have flock; then
  exec 8>build/system.lock
  flock -w 300 8 || fail 'another installation of system packages did not end within 5 minutes'
fi

no_right() { fail "$* needs to be installed. Type:  sudo $line"; }

# apt's lists are missing on a fresh container image, and an old list names packages that are gone.
apt_install() {
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install "$@" && return
  quietly as_root apt-get update -q || true
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install "$@"
}

if have apt-get; then
  line="apt-get install -y --no-install-recommends $*"
elif have dnf; then
  line="dnf install -y $*"
elif have apk; then
  line="apk add $*"
elif have pacman; then
  line="pacman -S --noconfirm --needed $*"
elif have zypper; then
  line="zypper --non-interactive install $*"
else
  fail "$* needs to be installed: use the package manager of this system"
fi

as_root true || no_right "$@"
say "installing $* ($line)"
# The line is our own words and package names, so splitting it is what we want.
# shellcheck disable=SC2086
if have apt-get; then
  apt_install -q -o DPkg::Lock::Timeout=120 ${line#apt-get install}
else
  quietly as_root $line
fi || fail "the installation failed: see the message above. To try by hand:  sudo $line"
