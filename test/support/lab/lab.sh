#!/bin/sh
# lab.sh FOLDER: in a network and mount namespace of its own, makes a second network namespace behind a cable: a small internet. The machine's
# side is 44.44.44.1 and 10.77.0.1, the other side has the servers. Says `ready PID` (of the other side) and waits until its stdin ends.
set -eu
folder=$1
mount --make-rprivate /
ip link set lo up
unshare --net sleep 100000 &
far=$!
while [ "$(readlink /proc/$far/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
in_far() { nsenter -t "$far" -n "$@"; }
ip link add near type veth peer name far
ip link set far netns "$far"
ip addr add 44.44.44.1/24 dev near
ip addr add 10.77.0.1/24 dev near
ip -6 addr add 2a00:44::1/64 dev near nodad
ip link set near up
in_far ip link set lo up
for address in 44.44.44.10 44.44.44.11 44.44.44.12 44.44.44.53 10.77.0.10; do in_far ip addr add $address/24 dev far; done
in_far ip addr add 169.254.169.254/32 dev far
in_far ip -6 addr add 2a00:44::10/64 dev far nodad
in_far ip link set far up
ip route add 169.254.169.254/32 dev near
mount --bind "$folder/hosts" /etc/hosts
# A link's target is covered, or the link would be followed elsewhere.
mount --bind "$folder/resolv.conf" "$(readlink -f /etc/resolv.conf)"
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then mount --bind "$folder/bundle.crt" /etc/ssl/certs/ca-certificates.crt; fi
echo "ready $far"
cat >/dev/null || true
kill "$far"
