package files

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// unpacked is the result of tar_in.
type unpacked struct {
	// Files counts everything but folders.
	Files int64 `json:"files"`
	// Size is the content of all files in bytes.
	Size int64 `json:"size"`
}

func (f files) tarIn(stream *wire.Stream, r request) (any, error) {
	if err := f.folders(strings.TrimRight(r.Path, "/")); err != nil {
		return nil, err
	}
	base, err := f.root.Folder(r.Path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(base)
	source := &upload{stream: stream}
	u := unpacking{base: base, last: -1, buffer: wire.NewBuf()}
	defer func() {
		u.buffer.Free()
		u.forget()
	}()
	if err := u.all(source); err != nil {
		return nil, u.failure(r.Path, source, err)
	}
	return u.unpacked, nil
}

// upload reads what comes on a stream.
type upload struct {
	stream *wire.Stream
	rest   []byte
	ended  bool
	total  int64
	// zeroes is how many zero bytes came last, up to a block of an archive.
	zeroes int
}

const tarBlock = 512

func (u *upload) Read(into []byte) (int, error) {
	for len(u.rest) == 0 {
		if u.ended {
			return 0, io.EOF
		}
		message, err := u.stream.Recv()
		if err != nil {
			return 0, err
		}
		switch message.Kind {
		case wire.EOFType:
			u.ended = true
		case wire.DataType:
			u.rest = message.Data
			u.total += int64(len(u.rest))
			u.countZeroes(u.rest)
		}
	}
	n := copy(into, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *upload) countZeroes(data []byte) {
	n := 0
	for n < len(data) && n < tarBlock && data[len(data)-1-n] == 0 {
		n++
	}
	if n == len(data) {
		n = min(tarBlock, n+u.zeroes)
	}
	u.zeroes = n
}

// drain reads what comes behind the end of the archive. An archive that just stops was cut off, even between two files.
func (u *upload) drain() error {
	var ignored [4096]byte
	for {
		_, err := u.Read(ignored[:])
		if err == io.EOF && u.total > 0 && u.zeroes < tarBlock {
			return io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// failure says also how far it came: what was unpacked stays.
func (u *unpacking) failure(path string, source *upload, err error) error {
	var number unix.Errno
	var body *wire.ErrorBody
	var refusal rejected
	after := ", after " + strconv.FormatInt(u.Files, 10) + " files"
	switch {
	case errors.As(err, &body):
		err = &wire.ErrorBody{Code: body.Code, Message: path + ": " + err.Error() + after, Errno: body.Errno}
	case errors.As(err, &number), errors.Is(err, inside.ErrForbidden), errors.Is(err, wire.ErrCanceled), errors.Is(err, wire.ErrClosed):
		failure := Failure(path, err)
		failure.Message += after
		err = failure
	default:
		message := "the archive is broken: " + err.Error()
		if source.ended && !errors.As(err, &refusal) {
			message = "the archive is broken or cut off: " + err.Error()
		}
		err = invalid(message + after)
	}
	return err
}
