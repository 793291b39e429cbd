package launch

import (
	"errors"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// keepPorts lets what published ports are asked on go down to process 1, or keeps it out of the sandbox. With an agent its number is
// that of another connection.
func keepPorts(work *plan.Plan) error {
	if work.Mode == plan.Stays {
		if work.Network.Ports {
			return errors.New("an agent is asked on its own socket")
		}
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
