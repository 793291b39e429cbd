package launch

import (
	"errors"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// openPorts lets servers in a sandbox whose ports are published listen on any port, as they may in a container, and what is asked
// for them go down to process 1. It must run while we have our capabilities and the host's /proc.
func openPorts(work *plan.Plan) error {
	if work.Network.Ports {
		allowLowPorts()
	}
	// An agent is asked on its own socket, and the number is that of another connection.
	if work.Mode == plan.Stays {
		return nil
	}
	if !work.Network.Ports {
		// Whether or not one was handed through.
		unix.CloseOnExec(plan.PortsFD)
		return nil
	}
	family, err := unix.GetsockoptInt(plan.PortsFD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if family != unix.AF_UNIX {
		return errors.New("no socket of the host's side was handed through")
	}
	_, err = unix.FcntlInt(plan.PortsFD, unix.F_SETFD, 0)
	return err
}

// allowLowPorts is about our own network namespace only. Where it fails (an old kernel, a read-only /proc), ports below 1024 stay
// closed to the sandbox.
func allowLowPorts() {
	fd, err := unix.Open("/proc/sys/net/ipv4/ip_unprivileged_port_start", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_, _ = unix.Write(fd, []byte("0"))
}
