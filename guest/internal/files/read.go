package files

import (
	"math"
	"path"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// read sends what the file has at the moment it is opened. What is appended later is not sent, so that it ends; what is cut off
// meanwhile is missing, and the result says how much there was.
func (f files) read(stream *wire.Stream, r request) (any, error) {
	place, err := f.root.Place(r.Path, true)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	fd, info, err := place.OpenFile(unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	e := entryOf(path.Clean(r.Path), info)
	if err := stream.Event(map[string]any{"event": "meta", "entry": e}); err != nil {
		return nil, err
	}
	at, end := int64(0), info.Size
	if r.Offset != nil {
		at = *r.Offset
	}
	if r.Length != nil && *r.Length < math.MaxInt64-at {
		end = min(end, at+*r.Length)
	}
	sent, err := send(stream, fd, at, end)
	return map[string]int64{"size": sent}, err
}

// send sends a file's bytes from at up to end, or to where it ends by now.
func send(stream *wire.Stream, fd int, at, end int64) (int64, error) {
	begin := at
	for at < end {
		buf := wire.NewBuf()
		n, err := pread(fd, buf.Bytes()[:min(end-at, wire.MaxData)], at)
		if err != nil || n == 0 {
			buf.Free()
			return at - begin, err
		}
		if err := stream.WriteBuf(wire.Out, buf, n); err != nil {
			return at - begin, err
		}
		at += int64(n)
	}
	return at - begin, nil
}

func pread(fd int, into []byte, at int64) (int, error) {
	for {
		n, err := unix.Pread(fd, into, at)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// pwrite writes all of it.
func pwrite(fd int, data []byte, at int64) error {
	for len(data) > 0 {
		n, err := unix.Pwrite(fd, data, at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}
