package scope

import (
	"errors"

	"golang.org/x/sys/unix"
)

// handoverMs is how long the moved process waits for word, in ms: a little longer than the manager may take.
const handoverMs = 1500

// Handover has a child moved into the scope while the child is already at work. The child waits for the outcome at the other
// end of a pipe before it joins the group of its run.
type Handover struct {
	place place
	read  int
	write int
}

// NewHandover returns nil where there is no scope: one look at one folder. As root there is nothing to ask for.
func NewHandover(uid int) *Handover {
	p := ownPlace()
	if uid == 0 || !p.ready() {
		return nil
	}
	h, err := newHandover(p)
	if err != nil {
		// The join then fails, and the weaker limits take its place.
		return nil
	}
	return h
}

func newHandover(p place) (*Handover, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	return &Handover{place: p, read: ends[0], write: ends[1]}, nil
}

// Descriptor is the child's end, to be handed to it.
func (h *Handover) Descriptor() uintptr { return uintptr(h.read) }

// Carry moves the child and tells it. Nothing on the way is fatal: the child then sets weaker limits.
func (h *Handover) Carry(child int) {
	_ = unix.Close(h.read)
	defer unix.Close(h.write)
	word := "moved"
	if err := h.place.attach(child); err != nil {
		word = "!" + err.Error()
	}
	_, _ = unix.Write(h.write, []byte(word))
}

// Drop closes both ends, when there is no child after all.
func (h *Handover) Drop() {
	_ = unix.Close(h.read)
	_ = unix.Close(h.write)
}

// Await waits in the child, at its end of the pipe, until it has been moved, and closes that end.
func Await(descriptor int) error {
	defer unix.Close(descriptor)
	ready := []unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}
	for {
		count, err := unix.Poll(ready, handoverMs)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if count == 0 {
			return errSlow
		}
		break
	}
	word := make([]byte, 512)
	count, err := unix.Read(descriptor, word)
	switch {
	case err != nil:
		return err
	case count <= 0:
		return errors.New("who should have moved us into the scope is gone")
	case word[0] == '!':
		return errors.New(string(word[1:count]))
	}
	return nil
}
