// Package files serves the operations of the guest protocol (docs/guest-protocol.md) on files: stat, list, mkdir, move, remove,
// chmod, read, write, tar_out, tar_in and watch. It runs as process 1 of the sandbox, with the rights of the sandbox's user, for a
// caller on the host who must not be tricked by what the workload does with names meanwhile: see package inside.
package files

import (
	"encoding/json"
	"errors"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// Operations are the operations on the files of this process's own root.
func Operations() map[string]func(*wire.Stream) { return Below(inside.At("/")) }

// Below are the operations on the files below a root.
func Below(root *inside.Root) map[string]func(*wire.Stream) {
	f := files{root}
	operations := make(map[string]func(*wire.Stream))
	for name, serve := range map[string]func(*wire.Stream, request) (any, error){
		"stat": f.stat, "list": f.list, "mkdir": f.mkdir, "move": f.move, "remove": f.remove, "chmod": f.chmod,
		"read": f.read, "write": f.write, "tar_out": f.tarOut, "tar_in": f.tarIn, "watch": f.watch,
	} {
		operations[name] = answering(serve)
	}
	return operations
}

type files struct{ root *inside.Root }

// nothing is the result of an operation that has none.
type nothing struct{}

// request holds the members of every operation; each looks at its own.
type request struct {
	Path      string `json:"path"`
	To        string `json:"to"`
	Parents   bool   `json:"parents"`
	Recursive bool   `json:"recursive"`
	Follow    *bool  `json:"follow"`
	Overwrite *bool  `json:"overwrite"`
	Mode      *int64 `json:"mode"`
	Offset    *int64 `json:"offset"`
	Length    *int64 `json:"length"`
}

const allModes = 0o7777

func (r request) check() error {
	if err := inside.Check(r.Path); err != nil {
		return err
	}
	if r.Mode != nil && (*r.Mode < 0 || *r.Mode > allModes) {
		return invalid("mode is a number from 0 to 4095")
	}
	for _, number := range []*int64{r.Offset, r.Length} {
		if number != nil && *number < 0 {
			return invalid("offset and length are not negative")
		}
	}
	return nil
}

// mode is the mode that was asked for, or the usual one.
func (r request) mode(usual uint32) uint32 {
	if r.Mode == nil {
		return usual
	}
	return uint32(*r.Mode)
}

func answering(serve func(*wire.Stream, request) (any, error)) func(*wire.Stream) {
	return func(stream *wire.Stream) {
		var r request
		if err := json.Unmarshal(stream.Payload(), &r); err != nil {
			stream.Fail("invalid", err.Error(), 0)
			return
		}
		err := r.check()
		var result any
		if err == nil {
			result, err = serve(stream, r)
		}
		if err != nil {
			stream.FailWith(Failure(r.Path, err))
			return
		}
		stream.End(result)
	}
}

func invalid(message string) error { return &wire.ErrorBody{Code: "invalid", Message: message} }

// Failure says in the words of the protocol what went wrong with a path.
func Failure(path string, err error) *wire.ErrorBody {
	var body *wire.ErrorBody
	if errors.As(err, &body) {
		return body
	}
	const longest = 300
	if len(path) > longest {
		path = path[:longest] + "…"
	}
	failure := &wire.ErrorBody{Code: "io", Message: path + ": " + err.Error()}
	var number unix.Errno
	switch {
	case errors.Is(err, inside.ErrForbidden):
		failure.Code = "path_forbidden"
	case errors.Is(err, inside.ErrPath):
		failure.Code, failure.Message = "invalid", err.Error()
	case errors.Is(err, wire.ErrCanceled) || errors.Is(err, wire.ErrClosed):
		failure.Message, failure.Errno = "canceled", int(unix.ECANCELED)
	case errors.As(err, &number):
		failure.Code, failure.Errno = code(number), int(number)
	}
	return failure
}

func code(number unix.Errno) string {
	switch number {
	case unix.ENOENT:
		return "not_found"
	case unix.EEXIST:
		return "exists"
	case unix.EACCES, unix.EPERM, unix.EROFS:
		return "denied"
	case unix.ENOTDIR:
		return "not_a_directory"
	case unix.EISDIR:
		return "is_a_directory"
	case unix.ENOTEMPTY:
		return "not_empty"
	case unix.ENOSPC, unix.EDQUOT:
		return "no_space"
	case unix.EINVAL, unix.ENAMETOOLONG, unix.ELOOP:
		return "invalid"
	case unix.EOPNOTSUPP, unix.ENOSYS, unix.EXDEV, unix.EAFNOSUPPORT:
		return "unsupported"
	case unix.ECONNREFUSED:
		return "refused"
	}
	return "io"
}
