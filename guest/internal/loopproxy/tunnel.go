package loopproxy

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// source is what a program sends; errors of it are io.EOF, errSecond, or whatever befell the connection.
type source interface {
	// next waits for bytes, puts them into a buffer and says how many there are.
	next() (*wire.Buf, int, error)
}

// tunnel passes bytes both ways until both directions have ended or one side is gone.
func tunnel(client *net.TCPConn, stream *wire.Stream, from source) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		up(stream, from)
	}()
	if !down(client, stream) {
		stream.Drop()
		// A reset, so that the program does not take what it has for everything.
		_ = client.SetLinger(0)
	}
	_ = client.Close()
	<-sent
}

func up(stream *wire.Stream, from source) {
	for {
		buf, n, err := from.next()
		switch {
		case err == nil:
			if stream.WriteBuf(wire.In, buf, n) != nil {
				return
			}
		case errors.Is(err, io.EOF):
			stream.CloseChannel(wire.In)
			return
		case errors.Is(err, errSecond):
			return
		default:
			stream.Drop()
			return
		}
	}
}

// down reports whether the stream ended well.
func down(client *net.TCPConn, stream *wire.Stream) bool {
	for {
		message, err := stream.Recv()
		if err != nil {
			return false
		}
		switch message.Kind {
		case wire.DataType:
			if _, err := client.Write(message.Data); err != nil {
				return false
			}
		case wire.EOFType:
			_ = client.CloseWrite()
		case wire.EndType:
			return true
		}
	}
}

// plain is a program's connection as it is, after what was read of it already.
type plain struct {
	client *net.TCPConn
	first  []byte
}

func (p *plain) next() (*wire.Buf, int, error) {
	if len(p.first) > 0 {
		buf := wire.NewBuf()
		n := copy(buf.Bytes(), p.first)
		p.first = p.first[n:]
		return buf, n, nil
	}
	return readInto(p.client)
}

// readInto waits for bytes without holding a buffer meanwhile: most connections are idle.
func readInto(client *net.TCPConn) (buf *wire.Buf, n int, err error) {
	raw, err := client.SyscallConn()
	if err != nil {
		return nil, 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			buf = wire.NewBuf()
			n, failed = unix.Read(int(fd), buf.Bytes())
			if failed == nil && n > 0 {
				return true
			}
			buf.Free()
			if failed != unix.EINTR {
				return failed != unix.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return nil, 0, err
	case failed != nil:
		return nil, 0, failed
	case n == 0:
		return nil, 0, io.EOF
	}
	return buf, n, nil
}
