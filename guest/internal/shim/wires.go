package shim

import (
	"os"

	"golang.org/x/sys/unix"
)

// wires connect us with an agent and with those who start it. The other ends get fixed numbers there, in the order of files.
type wires struct {
	// control is the way for orders. That it ends tells the agent to end.
	control *os.File
	// status is where lines come from, and socket is our end of the agent's.
	status *os.File
	socket *os.File
	// egress is our end of the egress connection; nil without a network.
	egress *os.File

	theirs []int
}

// newWires makes them all or none.
func newWires(network bool) (*wires, error) {
	w := &wires{}
	var control, report [2]int
	err := unix.Pipe2(control[:], unix.O_CLOEXEC)
	if err == nil {
		w.control, w.theirs = nonblocking(control[1], "control"), append(w.theirs, control[0])
		err = unix.Pipe2(report[:], unix.O_CLOEXEC)
	}
	if err == nil {
		w.status, w.theirs = nonblocking(report[0], "status"), append(w.theirs, report[1])
		w.socket, err = w.pair("agent")
	}
	if err == nil && network {
		w.egress, err = w.pair("egress")
	}
	if err != nil {
		w.closeTheirs()
		w.closeOurs()
		return nil, err
	}
	return w, nil
}

func (w *wires) pair(name string) (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	w.theirs = append(w.theirs, pair[1])
	return nonblocking(pair[0], name), nil
}

// files are the descriptors of who we start: nothing for its streams, and then the other ends.
func (w *wires) files(null int) []uintptr {
	files := []uintptr{uintptr(null), uintptr(null), uintptr(null)}
	for _, fd := range w.theirs {
		files = append(files, uintptr(fd))
	}
	return files
}

func (w *wires) closeTheirs() {
	closeFDs(w.theirs)
	w.theirs = nil
}

func (w *wires) closeOurs() {
	for _, file := range []*os.File{w.control, w.status, w.socket, w.egress} {
		if file != nil {
			_ = file.Close()
		}
	}
}
