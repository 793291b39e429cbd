// Package ports serves the operation connect of the guest protocol (docs/guest-protocol.md): a stream to a server in the sandbox.
package ports

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files"
	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

const (
	// patience is how long a server may take to accept.
	patience = 10 * time.Second
	// pause is how long a unix socket whose queue is full is left alone.
	pause = 5 * time.Millisecond
)

type request struct {
	Port *int    `json:"port"`
	Path *string `json:"path"`
	// UDP means datagrams, each with its length before it.
	UDP bool `json:"udp"`
}

// Connect serves connect in this process's own root.
func Connect(stream *wire.Stream) { Below(inside.At("/"))(stream) }

// Below serves connect with the unix sockets below a root.
func Below(root *inside.Root) func(*wire.Stream) {
	return func(stream *wire.Stream) { connect(stream, root, nil) }
}

func connect(stream *wire.Stream, root *inside.Root, talking *Talking) {
	var r request
	if err := json.Unmarshal(stream.Payload(), &r); err != nil || (r.Port == nil) == (r.Path == nil) || r.UDP && r.Port == nil {
		stream.Fail("invalid", "connect needs either a port or a path", 0)
		return
	}
	socket, name, err := r.open(stream, root)
	if err != nil {
		stream.FailWith(files.Failure(name, err))
		return
	}
	defer socket.Close()
	if err := stream.Event(map[string]string{"event": "connected"}); err != nil {
		stream.FailWith(files.Failure(name, err))
		return
	}
	pass := joint{stream: stream, socket: socket, talking: talking}.run
	if r.UDP {
		pass = func() error { return datagrams(stream, socket) }
	}
	if err := pass(); err != nil {
		stream.FailWith(files.Failure(name, err))
		return
	}
	stream.End(struct{}{})
}

func (r request) open(stream *wire.Stream, root *inside.Root) (socket *os.File, name string, err error) {
	if r.Path != nil {
		socket, err = openUnix(stream, root, *r.Path)
		return socket, *r.Path, err
	}
	if *r.Port < 1 || *r.Port > 65535 {
		return nil, "", &wire.ErrorBody{Code: "invalid", Message: "port is a number from 1 to 65535"}
	}
	if r.UDP {
		socket, err = openUDP(*r.Port)
		return socket, "port", err
	}
	socket, err = openTCP(stream, unix.AF_INET, &unix.SockaddrInet4{Port: *r.Port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil && !errors.Is(err, wire.ErrCanceled) {
		var other error
		if socket, other = openTCP(stream, unix.AF_INET6, &unix.SockaddrInet6{Port: *r.Port, Addr: [16]byte{15: 1}}); other == nil {
			err = nil
		}
	}
	return socket, "port", err
}

// openTCP connects without keeping a thread.
func openTCP(stream *wire.Stream, family int, to unix.Sockaddr) (*os.File, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// Small messages in both directions must not wait for each other.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	err = unix.Connect(fd, to)
	// A socket only waits in the poller from here on: before it connects it would count as ready.
	socket := os.NewFile(uintptr(fd), "socket")
	if err == unix.EINPROGRESS || err == unix.EINTR {
		err = established(stream, socket)
	}
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return socket, nil
}

// established waits for the end of the handshake.
func established(stream *wire.Stream, socket *os.File) error {
	if err := socket.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	stop := interrupt(stream, socket)
	defer stop()
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		number, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || number != 0 {
			failed = errors.Join(err, number2error(number))
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	if failed != nil {
		return failed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = unix.ETIMEDOUT
	}
	if err != nil {
		return err
	}
	return socket.SetWriteDeadline(time.Time{})
}

func number2error(number int) error {
	if number == 0 {
		return nil
	}
	return unix.Errno(number)
}

// interrupt makes everything that waits for the socket fail when the stream is canceled or its connection lost.
func interrupt(stream *wire.Stream, socket *os.File) (stop func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-stream.Canceled():
			_ = socket.SetDeadline(time.Unix(1, 0))
		case <-done:
		}
	}()
	return func() { close(done) }
}

// openUnix connects to a socket by its name in its folder, so that neither the length of the path nor a folder that is swapped for a
// symlink matters.
func openUnix(stream *wire.Stream, root *inside.Root, path string) (*os.File, error) {
	place, err := root.Place(path, true)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	pin, info, err := place.Pin()
	if err != nil {
		return nil, err
	}
	_ = unix.Close(pin)
	if info.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, &wire.ErrorBody{Code: "refused", Message: "there is no socket at this path"}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	limit := time.Now().Add(patience)
	for {
		err = inside.In(place.Folder, func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: place.Name}) })
		if err != unix.EAGAIN && err != unix.EINTR || time.Now().After(limit) {
			break
		}
		// Nobody tells when there is room again.
		select {
		case <-stream.Canceled():
			err = wire.ErrCanceled
		case <-time.After(pause):
			continue
		}
		break
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}
