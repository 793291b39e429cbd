package launch

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/tun"
)

// The network namespace is made here and not by bubblewrap, so that it belongs to a user namespace that the sandbox is not in:
// whatever capabilities a workload gets in namespaces of its own, it has none over its network.

// noTUN stands for the descriptor of a device that could not be made.
const noTUN = -1

// wires are the descriptors of the network that go down to process 1.
type wires struct{ egress, tun int }

// openNetwork takes the way out that the host handed through, and makes the device. Where that cannot be made, process 1 offers a
// proxy instead, and the host is told. It must run while the host's /dev is there. Nil: the sandbox has no network.
func openNetwork(work *plan.Plan) (*wires, error) {
	egress := work.EgressFD()
	if !work.Network.Egress {
		// Whether or not one was handed through: it must not get inside.
		unix.CloseOnExec(egress)
		return nil, nil
	}
	family, err := unix.GetsockoptInt(egress, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, err
	}
	if family != unix.AF_UNIX {
		return nil, fmt.Errorf("descriptor %d is no socket of the host's side", egress)
	}
	w := &wires{egress: egress, tun: noTUN}
	if !work.Network.TUN {
		status.Send(status.Line{Network: status.Proxied, Step: "tun", Detail: "none was asked for"})
		return w, nil
	}
	device, err := tun.Create()
	if err != nil {
		var number unix.Errno
		_ = errors.As(err, &number)
		status.Send(status.Line{Network: status.Proxied, Step: "tun", Errno: int(number), Detail: err.Error()})
		return w, nil
	}
	tun.Outlive(device)
	w.tun = device
	return w, nil
}

// arguments tell process 1 of the descriptors, which survive the exec from here on.
func (w *wires) arguments() ([]string, error) {
	if w == nil {
		return nil, nil
	}
	for _, fd := range []int{w.egress, w.tun} {
		if fd == noTUN {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return nil, err
		}
	}
	return []string{strconv.Itoa(w.egress), strconv.Itoa(w.tun)}, nil
}
