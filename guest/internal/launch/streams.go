package launch

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// shareStreams lets the identity that we drop to open its own streams again by name, as `echo >/dev/stderr` does. They
// were made by root, for root. Only what no other path leads to is touched: unnamed pipes, and the private terminal.
func shareStreams(to plan.Identity, terminal bool) error {
	if terminal {
		return unix.Fchown(0, to.UID, to.GID)
	}
	for fd, access := range []uint32{0o4, 0o2, 0o2} {
		target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil || !strings.HasPrefix(target, "pipe:") {
			continue
		}
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil {
			return err
		}
		// One pipe can be several streams: what one of them needs, stays.
		if info.Mode&access == access {
			continue
		}
		if err := unix.Fchmod(fd, info.Mode&0o777|access); err != nil {
			return err
		}
	}
	return nil
}
