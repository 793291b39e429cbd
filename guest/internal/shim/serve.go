package shim

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

const (
	// mostClients is how many connections are served at once.
	mostClients = 128
	// acceptPause is how long we leave connections waiting when there are no descriptors for them.
	acceptPause = 50 * time.Millisecond
	// farewell is how long clients may take for what is still to be sent to them when the sandbox has ended, and parting how
	// long for the last of it.
	farewell = 2 * time.Second
	parting  = time.Second
)

// server is who is connected.
type server struct {
	hello   wire.Hello
	handler func(*wire.Stream)
	// arrived and left are told of each client that said hello; it has crashed when it went without a word.
	arrived func(role string)
	left    func(role string, crashed bool)

	mu       sync.Mutex
	clients  map[*wire.Conn]struct{}
	handlers sync.WaitGroup
	closed   bool
}

// accept hands every connection of our own user to greet, until the listener is closed.
func accept(listener *os.File, greet func(fd int)) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return
	}
	for {
		fd, failure := -1, error(nil)
		err := raw.Read(func(l uintptr) bool {
			fd, _, failure = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return !errors.Is(failure, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return
		case failure == nil && isOurs(fd):
			greet(fd)
		case failure == nil:
			_ = unix.Close(fd)
		case !errors.Is(failure, unix.EINTR) && !errors.Is(failure, unix.ECONNABORTED):
			// No descriptors or no memory for it, for now.
			time.Sleep(acceptPause)
		}
	}
}

// isOurs tells whether the other side is our own user's.
func isOurs(fd int) bool {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	return err == nil && int(peer.Uid) == unix.Geteuid()
}

// greet begins to serve a connection.
func (s *server) greet(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.clients) >= mostClients {
		_ = unix.Close(fd)
		return
	}
	conn := wire.NewConn(os.NewFile(uintptr(fd), "client"), s.hello, s.serve)
	s.clients[conn] = struct{}{}
	go s.run(conn)
}

func (s *server) run(conn *wire.Conn) {
	ended := make(chan error, 1)
	go func() { ended <- conn.Run() }()
	role := conn.Peer().Role
	if role != "" {
		s.arrived(role)
	}
	err := <-ended
	s.mu.Lock()
	delete(s.clients, conn)
	s.mu.Unlock()
	if role != "" {
		s.left(role, errors.Is(err, io.EOF))
	}
}

// serve is what happens to every stream.
func (s *server) serve(stream *wire.Stream) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		stream.Fail("agent_lost", "the sandbox has ended", 0)
		return
	}
	s.handlers.Add(1)
	s.mu.Unlock()
	defer s.handlers.Done()
	s.handler(stream)
}

// close lets handlers say what they still have to say, then says BYE to every client. It returns within some seconds.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	silent := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(silent)
	}()
	within(farewell, silent)
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.clients))
	s.mu.Unlock()
	deadline := time.Now().Add(parting)
	for _, conn := range conns {
		go conn.Bye()
	}
	for _, conn := range conns {
		if !within(time.Until(deadline), conn.Done()) {
			conn.Close()
		}
	}
}

// within waits for something to end, but not for ever.
func within(limit time.Duration, end <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-end:
		return true
	case <-timer.C:
		return false
	}
}

// bad tells the client that its request is not one.
func bad(stream *wire.Stream, message string) { stream.Fail("invalid", message, 0) }

// parse reads a request and answers one that is wrong itself.
func parse(stream *wire.Stream, into any) bool {
	if err := json.Unmarshal(stream.Payload(), into); err != nil {
		bad(stream, err.Error())
		return false
	}
	return true
}
