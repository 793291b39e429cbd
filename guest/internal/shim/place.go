package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	socketName = "shim.sock"
	egressName = "egress.sock"
	selfName   = "shim.json"
	endedName  = "ended.json"
	// longestSocket is the most bytes of a socket's path; the kernel takes 107.
	longestSocket = 100
	// placeWait is how long the shim before us may take to leave.
	placeWait = 5 * time.Second
	placePoll = 20 * time.Millisecond
)

// place is the folder of our socket. The lock on it says that a shim lives, whatever files are there.
type place struct {
	dir      string
	fd       int
	listener *os.File
	// egress is where gateways connect; nil without a network.
	egress *os.File
}

// openPlace checks the folder, takes its lock, clears it of what a shim before us left, and listens. On failure it names the
// step.
func openPlace(dir string, wait time.Duration, network bool) (*place, string, error) {
	if len(dir)+1+len(socketName) > longestSocket {
		return nil, "socket", fmt.Errorf("the path %s/%s is longer than %d bytes", dir, socketName, longestSocket)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "runtime folder", err
	}
	p := &place{dir: dir, fd: fd}
	if step, err := p.take(wait, network); err != nil {
		p.close()
		return nil, step, err
	}
	return p, "", nil
}

func (p *place) take(wait time.Duration, network bool) (string, error) {
	var info unix.Stat_t
	if err := unix.Fstat(p.fd, &info); err != nil {
		return "runtime folder", err
	}
	if int(info.Uid) != unix.Geteuid() || info.Mode&0o777 != 0o700 {
		return "runtime folder", fmt.Errorf("%s belongs to user %d with mode %o; it must be ours with mode 700", p.dir, info.Uid, info.Mode&0o777)
	}
	if err := p.lock(wait); err != nil {
		return "runtime folder", err
	}
	for _, name := range []string{socketName, egressName, selfName, endedName} {
		if err := p.remove(name); err != nil {
			return "clear runtime folder", err
		}
	}
	var err error
	if p.listener, err = p.listen(socketName); err == nil && network {
		p.egress, err = p.listen(egressName)
	}
	if err != nil {
		return "socket", err
	}
	return "", nil
}

// lock waits for the shim before us, which may have something to say to its clients still.
func (p *place) lock(wait time.Duration) error {
	for deadline := time.Now().Add(wait); ; time.Sleep(placePoll) {
		err := unix.Flock(p.fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another shim lives in %s", p.dir)
		}
	}
}

func (p *place) listen(name string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// The socket must not be anybody else's to open, not even for a moment.
	before := unix.Umask(0o177)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: p.dir + "/" + name})
	unix.Umask(before)
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (p *place) remove(name string) error {
	if err := unix.Unlinkat(p.fd, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// write puts JSON into a file, all of it or nothing.
func (p *place) write(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	fresh := name + ".new"
	if err := p.remove(fresh); err != nil {
		return err
	}
	fd, err := unix.Openat(p.fd, fresh, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), fresh)
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return unix.Renameat(p.fd, fresh, p.fd, name)
}

// ended is what is said of a sandbox that is no more.
type ended struct {
	Reason string `json:"reason"`
	Status *int   `json:"status,omitempty"`
	Signal int    `json:"signal,omitempty"`
	Detail string `json:"detail,omitempty"`
	At     string `json:"at"`
}

// leave says how the sandbox ended and takes the sockets away.
func (p *place) leave(how ended) {
	how.At = time.Now().UTC().Format(time.RFC3339Nano)
	// Without room for it the missing socket says enough.
	_ = p.write(endedName, how)
	for _, name := range []string{socketName, egressName, selfName} {
		_ = p.remove(name)
	}
	p.deafen()
}

// deafen lets nobody in any more.
func (p *place) deafen() {
	for _, listener := range []*os.File{p.listener, p.egress} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}

func (p *place) close() {
	p.deafen()
	_ = unix.Close(p.fd)
}
