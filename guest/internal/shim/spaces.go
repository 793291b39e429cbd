package shim

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/enter"
)

// pinned is a process whose number cannot get a new owner unnoticed.
type pinned struct{ pid, fd int }

func (p pinned) lives() bool { return unix.PidfdSendSignal(p.fd, 0, nil, 0) == nil }

func (p pinned) close() { _ = unix.Close(p.fd) }

// openSpaces opens the namespaces of the sandbox, in the order in which package enter expects them.
func (c *child) openSpaces(mode string) (spaces []int, err error) {
	ours := pinned{c.pid, c.pidfd}
	outer := ours
	if mode == launchAsUser {
		// What we started only waits for the process that became bubblewrap.
		if outer, err = ours.onlyChild(); err != nil {
			return nil, err
		}
		defer outer.close()
	}
	first, err := outer.onlyChild()
	if err != nil {
		return nil, err
	}
	defer first.close()
	defer func() {
		if err != nil {
			closeFDs(spaces)
			spaces = nil
		}
	}()
	open := func(of pinned, name string) {
		if err != nil {
			return
		}
		var fd int
		if fd, err = unix.Open("/proc/"+strconv.Itoa(of.pid)+"/ns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			spaces = append(spaces, fd)
		}
	}
	for _, name := range enter.Spaces {
		open(first, name)
	}
	if mode == launchAsUser {
		open(outer, "user")
	}
	if err == nil {
		err = first.isProcessOne()
	}
	if err == nil && !(ours.lives() && outer.lives() && first.lives()) {
		err = errors.New("the sandbox has ended")
	}
	return spaces, err
}

// onlyChild is the child of a process that has one. Those between us and process 1 do.
func (p pinned) onlyChild() (pinned, error) {
	folder := "/proc/" + strconv.Itoa(p.pid) + "/task"
	tasks, err := os.ReadDir(folder)
	if err != nil {
		return pinned{}, err
	}
	var children []string
	for _, task := range tasks {
		text, err := os.ReadFile(folder + "/" + task.Name() + "/children")
		if err != nil {
			return pinned{}, err
		}
		children = append(children, strings.Fields(string(text))...)
	}
	if len(children) != 1 {
		return pinned{}, fmt.Errorf("there are %d processes where one was expected", len(children))
	}
	pid, err := strconv.Atoi(children[0])
	if err != nil {
		return pinned{}, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return pinned{}, err
	}
	child := pinned{pid, fd}
	// Only now its number is known to stay the same.
	if parent, err := child.status("PPid:"); err != nil || parent != strconv.Itoa(p.pid) {
		child.close()
		return pinned{}, errors.New("the sandbox has ended")
	}
	return child, nil
}

// isProcessOne tells whether that is its number in its own namespace.
func (p pinned) isProcessOne() error {
	numbers, err := p.status("NSpid:")
	if err != nil {
		return err
	}
	if !strings.HasSuffix(numbers, "\t1") {
		return errors.New("process 1 is not where it was expected")
	}
	return nil
}

// status is one line of what /proc says of the process.
func (p pinned) status(name string) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/status")
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte(name)); found {
			return strings.TrimSpace(string(value)), nil
		}
	}
	return "", errors.New("/proc says nothing of " + name)
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
