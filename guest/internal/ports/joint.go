package ports

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// joint passes bytes between a stream and a socket. Each direction ends by itself.
type joint struct {
	stream *wire.Stream
	socket *os.File
	// talking may be nil.
	talking *Talking
}

// Talking counts connections whose servers may still have something to say.
type Talking struct{ count atomic.Int64 }

// Connect is the function of this name, counted.
func (t *Talking) Connect(stream *wire.Stream) { connect(stream, inside.At("/"), t) }

// None tells whether there are none at the moment.
func (t *Talking) None() bool { return t.count.Load() == 0 }

func (t *Talking) add(change int64) {
	if t != nil {
		t.count.Add(change)
	}
}

func (j joint) run() error {
	stop := interrupt(j.stream, j.socket)
	defer stop()
	out := make(chan error, 1)
	j.talking.add(1)
	go func() {
		defer j.talking.add(-1)
		out <- j.outward()
	}()
	in := j.inward()
	if in != nil {
		// What the server still sends is of no use to one who has left.
		_ = j.socket.SetDeadline(time.Unix(1, 0))
	}
	return errors.Join(in, <-out)
}

// inward passes on what the caller sends. A server that reads no more may still have something to say: the rest is dropped.
func (j joint) inward() error {
	deaf := false
	for {
		message, err := j.stream.Recv()
		if err != nil {
			return unlessEnded(err)
		}
		switch message.Kind {
		case wire.EOFType:
			return j.shutdown()
		case wire.DataType:
			if deaf {
				continue
			}
			_, err := j.socket.Write(message.Data)
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				deaf = true
			} else if err != nil {
				return err
			}
		}
	}
}

// unlessEnded: a stream that we have ended ourselves is no failure of this direction.
func unlessEnded(err error) error {
	if err == wire.ErrEnded {
		return nil
	}
	return err
}

// shutdown tells the server that nothing more comes.
func (j joint) shutdown() error {
	raw, err := j.socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_WR) })
	if failed == unix.ENOTCONN {
		failed = nil
	}
	return errors.Join(err, failed)
}

// outward passes on what the server sends. A connection that it breaks ends the stream, whatever the caller still wants to say.
func (j joint) outward() error {
	raw, err := j.socket.SyscallConn()
	if err != nil {
		return err
	}
	for {
		buf, n, err := whenReadable(raw)
		switch {
		case err == unix.ECONNRESET:
			j.stream.Fail("io", "the server broke the connection", int(unix.ECONNRESET))
			return err
		case err != nil:
			return err
		case n == 0:
			j.stream.CloseChannel(wire.Out)
			return nil
		}
		if err := j.stream.WriteBuf(wire.Out, buf, n); err != nil {
			return unlessEnded(err)
		}
	}
}

// whenReadable takes a buffer only when there is something to read: most connections are quiet most of the time. There is none with
// n 0, the end.
func whenReadable(raw syscall.RawConn) (buf *wire.Buf, n int, err error) {
	wait := raw.Read(func(fd uintptr) bool {
		buf = wire.NewBuf()
		if n, err = unix.Read(int(fd), buf.Bytes()); err == nil && n > 0 {
			return true
		}
		buf.Free()
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if wait != nil {
		return nil, 0, wait
	}
	return buf, n, err
}
