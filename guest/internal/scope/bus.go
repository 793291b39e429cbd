package scope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Patience is how long everything we ask of the manager may take together.
	patience = time.Second
	// maxStray bounds the messages that are not for us, such as signals, before an answer.
	maxStray = 64
)

// dbusError is an error that the other side answered with.
type dbusError struct{ name, text string }

func (e *dbusError) Error() string {
	if e.text == "" {
		return e.name
	}
	return e.text
}

// isError tells whether err is the answer with this name.
func isError(err error, name string) bool {
	var answer *dbusError
	return errors.As(err, &answer) && answer.name == name
}

// conn is a connection to the user's manager, straight or through the user's bus.
type conn struct {
	fd       int
	serial   uint32
	deadline time.Time
	pending  []byte
}

// hello must be the first call on a bus. On the manager's own socket there is nobody to greet.
var hello = call{destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", iface: "org.freedesktop.DBus", member: "Hello"}

// dial connects to the manager's own socket, and where that is not to be had, to the user's bus.
func dial(runtimeDir string) (*conn, error) {
	deadline := time.Now().Add(patience)
	c, err := open(runtimeDir+"/systemd/private", deadline)
	if err == nil {
		return c, nil
	}
	c, busErr := open(runtimeDir+"/bus", deadline)
	if busErr != nil {
		return nil, err
	}
	if err := c.call(hello); err != nil {
		c.close()
		return nil, fmt.Errorf("%s/bus: %w", runtimeDir, err)
	}
	return c, nil
}

func open(path string, deadline time.Time) (*conn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &conn{fd: fd, deadline: deadline}
	if err := c.begin(path); err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c *conn) close() { _ = unix.Close(c.fd) }

func (c *conn) begin(path string) error {
	err := c.retry(func() error { return unix.Connect(c.fd, &unix.SockaddrUnix{Name: path}) })
	if err != nil {
		return err
	}
	if err := c.checkPeer(); err != nil {
		return err
	}
	// The user id in ASCII, as hexadecimal; who we are is what the kernel says. One round trip: the order to begin need not
	// wait for the answer.
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Getuid())))
	if err := c.send([]byte("\x00AUTH EXTERNAL " + uid + "\r\nBEGIN\r\n")); err != nil {
		return err
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return fmt.Errorf("refused us: %.80q", line)
	}
	return nil
}

// checkPeer makes sure that process numbers mean the same to the other side: a socket can be shown to a container, where
// ours would be those of strangers.
func (c *conn) checkPeer() error {
	peer, err := unix.GetsockoptUcred(c.fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return err
	}
	if int(peer.Uid) != os.Getuid() {
		return fmt.Errorf("belongs to user %d", peer.Uid)
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(int(peer.Pid)) + "/status")
	if peer.Pid == 0 || err != nil || !samePidNamespace(string(text)) {
		return errors.New("its process numbers are not ours: we or it are in a container")
	}
	return nil
}

// samePidNamespace reads a status file of /proc: it lists a process's number in each namespace from ours down.
func samePidNamespace(status string) bool {
	for line := range strings.Lines(status) {
		if numbers, found := strings.CutPrefix(line, "NSpid:"); found {
			return len(strings.Fields(numbers)) == 1
		}
	}
	return false
}

// call sends a call and waits for its answer, which has nothing in it that we need.
func (c *conn) call(request call) error {
	c.serial++
	if err := c.send(request.encode(c.serial)); err != nil {
		return err
	}
	for range maxStray {
		answer, err := c.receive()
		if err != nil {
			return err
		}
		if answer.replySerial != c.serial {
			continue
		}
		switch answer.kind {
		case methodReturn:
			return nil
		case methodError:
			return &dbusError{answer.errorName, answer.errorText}
		}
	}
	return errors.New("no answer among many other messages")
}

func (c *conn) receive() (reply, error) {
	head, err := c.exactly(fixedHeader)
	if err != nil {
		return reply{}, err
	}
	rest, err := frameSize(head)
	if err != nil {
		return reply{}, err
	}
	tail, err := c.exactly(rest)
	if err != nil {
		return reply{}, err
	}
	return decode(slices.Concat(head, tail))
}

// line reads one line of the handshake.
func (c *conn) line() (string, error) {
	for {
		if before, after, found := bytes.Cut(c.pending, []byte("\r\n")); found {
			c.pending = after
			return string(before), nil
		}
		if len(c.pending) > 1024 {
			return "", errMalformed
		}
		if err := c.fill(); err != nil {
			return "", err
		}
	}
}

// exactly returns the next count bytes, which stay valid until more are read.
func (c *conn) exactly(count int) ([]byte, error) {
	for len(c.pending) < count {
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
	taken := c.pending[:count:count]
	c.pending = c.pending[count:]
	return taken, nil
}

func (c *conn) fill() error {
	chunk := make([]byte, 4096)
	count := 0
	err := c.retry(func() (err error) {
		count, err = unix.Read(c.fd, chunk)
		return err
	})
	if err == nil && count == 0 {
		err = errors.New("closed the connection")
	}
	if err != nil {
		return err
	}
	c.pending = append(c.pending, chunk[:count]...)
	return nil
}

func (c *conn) send(data []byte) error {
	for len(data) > 0 {
		err := c.retry(func() error {
			sent, err := unix.SendmsgN(c.fd, data, nil, nil, unix.MSG_NOSIGNAL)
			if err == nil {
				data = data[sent:]
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var errSlow = errors.New("no answer within a second")

// retry does one system call on the socket again while signals interrupt it, until the deadline.
func (c *conn) retry(try func() error) error {
	for {
		left := time.Until(c.deadline)
		if left < time.Millisecond {
			return errSlow
		}
		limit := unix.NsecToTimeval(left.Nanoseconds())
		for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
			if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, option, &limit); err != nil {
				return err
			}
		}
		switch err := try(); err {
		case unix.EINTR:
		case unix.EAGAIN, unix.EINPROGRESS:
			return errSlow
		default:
			return err
		}
	}
}
