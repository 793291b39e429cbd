package agent

import (
	"encoding/base64"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/jsontext"
	"agentkernel/guest/internal/pidone"
)

// mostOrders bounds the orders, in bytes.
const mostOrders = 1 << 20

// orders are what the host wants of every command. See the package's comment.
type orders struct {
	limits  []pidone.Limit
	seccomp []byte
	version string
	// fd is the file they came from, for the stage.
	fd int
}

// staged says that a command needs one more step before it is itself.
func (o *orders) staged() bool { return len(o.limits) > 0 || len(o.seccomp) > 0 }

// readOrders reads without moving the file's offset, which the stage's copy of the descriptor shares.
func readOrders(fd int) (*orders, error) {
	text, err := io.ReadAll(io.NewSectionReader(descriptor(fd), 0, mostOrders))
	if err != nil {
		return nil, err
	}
	o := &orders{fd: fd}
	filter := ""
	r := jsontext.New(text)
	r.Object(func(name string) {
		switch name {
		case "limits":
			r.Array(func() { o.limits = append(o.limits, pidone.DecodeLimit(r)) })
		case "seccomp":
			filter = r.String()
		case "version":
			o.version = r.String()
		default:
			// The host may be newer than we are.
			r.Raw()
		}
	})
	if err := r.End(); err != nil {
		return nil, err
	}
	o.seccomp, err = base64.StdEncoding.DecodeString(filter)
	return o, err
}

// descriptor reads at an offset without owning the descriptor: an os.File would close it when collected.
type descriptor int

func (fd descriptor) ReadAt(into []byte, offset int64) (int, error) {
	for {
		n, err := unix.Pread(int(fd), into, offset)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("pread", err)
		case n < len(into):
			return n, io.EOF
		default:
			return n, nil
		}
	}
}
