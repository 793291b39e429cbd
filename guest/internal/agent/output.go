package agent

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// connect joins the command's streams to the protocol's.
func (c *child) connect(s *wire.Stream) {
	if c.stdin != nil {
		go c.feed(s)
	}
	for channel, file := range map[byte]*os.File{wire.Out: c.stdout, wire.Err: c.stderr} {
		if file != nil {
			c.pumps.Add(1)
			go func() {
				defer c.pumps.Done()
				pump(s, channel, file)
			}()
		}
	}
}

// finishOutput returns when what the command wrote is sent. When somebody else holds the output open, what is there after a
// quarter of a second is all. A canceled command waits no longer for a reader either.
func (c *child) finishOutput(s *wire.Stream) {
	all := make(chan struct{})
	go func() {
		c.pumps.Wait()
		close(all)
	}()
	timer := time.NewTimer(heldOpen)
	defer timer.Stop()
	select {
	case <-all:
		return
	case <-timer.C:
	}
	for _, file := range []*os.File{c.stdout, c.stderr} {
		if file != nil {
			_ = file.SetReadDeadline(time.Unix(1, 0))
		}
	}
	select {
	case <-all:
		return
	case <-s.Canceled():
	}
	timer.Reset(heldOpen)
	select {
	case <-all:
	case <-timer.C:
	}
}

// pump sends what a command writes, until the end, or the deadline. While there is nothing it holds no buffer; while the reader of
// the stream takes nothing, it does not read either.
func pump(s *wire.Stream, channel byte, file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	for {
		buf, n, err := readSome(raw)
		if n > 0 {
			if s.WriteBuf(channel, buf, n) != nil {
				return
			}
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			rest(s, channel, raw)
		}
		s.CloseChannel(channel)
		return
	}
}

// readSome waits until there is something to read. n is 0 at the end and with an error, and there is no buffer then.
func readSome(raw syscall.RawConn) (buf *wire.Buf, n int, err error) {
	waited := raw.Read(func(fd uintptr) bool {
		buf, n, err = readNow(int(fd))
		return err != syscall.EAGAIN
	})
	if waited != nil {
		return nil, 0, waited
	}
	return buf, n, err
}

func readNow(fd int) (*wire.Buf, int, error) {
	buf := wire.NewBuf()
	for {
		n, err := syscall.Read(fd, buf.Bytes())
		if err == syscall.EINTR {
			continue
		}
		if n > 0 {
			return buf, n, nil
		}
		// A terminal whose last user is gone answers EIO.
		buf.Free()
		return nil, 0, err
	}
}

// rest sends what is there now, and not what others add to it.
func rest(s *wire.Stream, channel byte, raw syscall.RawConn) {
	left := 0
	_ = raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	for left > 0 {
		var buf *wire.Buf
		n := 0
		_ = raw.Control(func(fd uintptr) { buf, n, _ = readNow(int(fd)) })
		if n == 0 {
			return
		}
		keep := min(n, left)
		if s.WriteBuf(channel, buf, keep) != nil {
			return
		}
		left -= keep
	}
}

// feed writes what comes for the command to its input. When nobody reads there any more, the rest is taken and dropped.
func (c *child) feed(s *wire.Stream) {
	broken := false
	for {
		m, err := s.Recv()
		if err != nil {
			break
		}
		if m.Kind == wire.EOFType {
			break
		}
		if m.Kind == wire.DataType && !broken {
			_, err := c.stdin.Write(m.Data)
			broken = err != nil
		}
	}
	if c.terminal != nil {
		c.terminal.endOfFile()
		return
	}
	_ = c.stdin.Close()
}
