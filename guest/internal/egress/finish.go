package egress

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// finishPause is how long between two looks, and quietLooks how many in a row must find nothing: between two of its stations a
	// packet is nowhere to be seen.
	finishPause = 500 * time.Microsecond
	quietLooks  = 3
)

// Finish implements uplink.Network. Our own greeting, which a short command may overtake, is nothing to wait for.
func (n *network) Finish(limit time.Duration) {
	if !n.conn.Opened() && !n.underway() {
		return
	}
	deadline := time.Now().Add(limit)
	for quiet := 0; quiet < quietLooks && time.Now().Before(deadline); time.Sleep(finishPause) {
		quiet++
		if n.pending() {
			quiet = 0
		}
	}
}

// pending tells whether something is between a program and the gateway.
func (n *network) pending() bool { return n.conn.Sending() || n.underway() }

// underway tells whether something is between a program and us. What goes through the proxy is in our own hands.
func (n *network) underway() bool { return n.wires.tun >= 0 && (n.unread() || leaving()) }

// unread tells whether packets wait in the device.
func (n *network) unread() bool {
	look := []unix.PollFd{{Fd: int32(n.wires.tun), Events: unix.POLLIN}}
	count, err := unix.Poll(look, 0)
	return err == nil && count > 0 && look[0].Revents&unix.POLLIN != 0
}

// leaving tells whether a connection of somebody who has ended has bytes, or its end, that the other side has not got yet. It counts
// connections, which is quick; looking through the table of them would cost milliseconds. Those that only wait for the other side's
// end are not in it.
func leaving() bool {
	return inUse("/proc/net/sockstat", "TCP: inuse ") || inUse("/proc/net/sockstat6", "TCP6: inuse ")
}

func inUse(file, before string) bool {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		// Without IPv6 there is no file about it.
		return false
	}
	defer unix.Close(fd)
	var room [1024]byte
	n, err := unix.Read(fd, room[:])
	if err != nil || n <= 0 {
		return false
	}
	_, count, found := strings.Cut(string(room[:n]), before)
	return found && !strings.HasPrefix(count, "0")
}
