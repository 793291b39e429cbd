// Package inside finds files below a root whose content somebody else controls: who may swap a folder for a symlink while we look.
// Every path is resolved by the kernel below the root, or step by step where it does not offer that, and ends in descriptors.
// From then on names count only in the folder whose descriptor we hold. Nothing on a kernel file system is ever handed out.
package inside

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MostPath is the longest path in bytes that is taken from outside.
const MostPath = 4096

// ErrForbidden means that the path leads into a kernel file system.
var ErrForbidden = errors.New("the path leads into a kernel file system")

// ErrPath means that the text is no path that is taken.
var ErrPath = errors.New("a path is absolute, at most 4,096 bytes long and has no NUL")

// Check looks at the text of a path only.
func Check(path string) error {
	if !strings.HasPrefix(path, "/") || len(path) > MostPath || strings.IndexByte(path, 0) >= 0 {
		return ErrPath
	}
	return nil
}

// Root is a folder that no path leads out of.
type Root struct {
	open func() (int, error)
	// walks is true once the kernel, or a filter, turned out not to let us use openat2.
	walks atomic.Bool
}

// At is the root at a path, which is opened when it is first needed and stays open.
func At(path string) *Root {
	return &Root{open: sync.OnceValues(func() (int, error) {
		return again(func() (int, error) { return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	})}
}

// Walk makes the root do without openat2.
func (r *Root) Walk() { r.walks.Store(true) }

// Folder opens a folder with O_PATH. Symlinks are followed.
func (r *Root) Folder(path string) (int, error) {
	fd, err := r.find(path)
	if err != nil {
		return -1, err
	}
	if err := RefuseKernel(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// patience bounds how often something is tried again because somebody changes names meanwhile.
const patience = 64

func (r *Root) find(path string) (int, error) {
	root, err := r.open()
	if err != nil {
		return -1, err
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for tries := 0; tries < patience && !r.walks.Load(); tries++ {
		fd, err := unix.Openat2(root, path, &how)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR, unix.EAGAIN:
			// EAGAIN: something was renamed, and the kernel cannot tell whether `..` led out.
			continue
		case unix.ENOSYS, unix.EPERM:
			r.walks.Store(true)
		case unix.ELOOP, unix.EXDEV:
			// Walking tells a loop from a link that is refused.
			return walk(root, path)
		default:
			return -1, err
		}
	}
	return walk(root, path)
}

// Subfolder opens a folder by a relative path, below an open one, without following any symlink.
func Subfolder(base int, path string) (int, error) {
	fd, err := clone(base)
	for _, name := range strings.Split(path, "/") {
		if err != nil {
			return -1, err
		}
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			_ = unix.Close(fd)
			return -1, unix.EINVAL
		}
		var next int
		next, err = OpenAt(fd, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		_ = unix.Close(fd)
		fd = next
	}
	return fd, err
}

// OpenAt is openat for one name, which is not followed.
func OpenAt(folder int, name string, flags int, mode uint32) (int, error) {
	return again(func() (int, error) {
		return unix.Openat(folder, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
	})
}

func clone(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
