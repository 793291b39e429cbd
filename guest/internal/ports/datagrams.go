package ports

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// mostDatagram is the longest datagram; its length stands before it, in two bytes.
const mostDatagram = 65535

// openUDP makes a socket that speaks to one port of the loopback.
func openUDP(port int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// datagrams passes datagrams between a stream and a socket until the caller ends its side.
func datagrams(stream *wire.Stream, socket *os.File) error {
	stop := interrupt(stream, socket)
	defer stop()
	out := make(chan error, 1)
	go func() { out <- datagramsOut(stream, socket) }()
	in := datagramsIn(stream, socket)
	_ = socket.SetDeadline(time.Unix(1, 0))
	<-out
	return in
}

// datagramsIn sends each datagram whose bytes are complete. Nobody listening is no failure: a server may come yet.
func datagramsIn(stream *wire.Stream, socket *os.File) error {
	var rest []byte
	for {
		message, err := stream.Recv()
		if err != nil {
			return unlessEnded(err)
		}
		if message.Kind == wire.EOFType {
			return nil
		}
		if message.Kind != wire.DataType {
			continue
		}
		rest = append(rest, message.Data...)
		for len(rest) >= 2 {
			end := 2 + int(binary.LittleEndian.Uint16(rest))
			if len(rest) < end {
				break
			}
			if _, err := socket.Write(rest[2:end]); err != nil && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EMSGSIZE) {
				return err
			}
			rest = rest[end:]
		}
	}
}

func datagramsOut(stream *wire.Stream, socket *os.File) error {
	buffer := make([]byte, 2+mostDatagram)
	for {
		n, err := socket.Read(buffer[2:])
		if errors.Is(err, unix.ECONNREFUSED) {
			continue
		}
		if err != nil {
			return err
		}
		binary.LittleEndian.PutUint16(buffer, uint16(n))
		if err := stream.Write(wire.Out, buffer[:2+n]); err != nil {
			return err
		}
	}
}
