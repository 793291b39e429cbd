package trees

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// Remove removes a folder and everything in it, whatever was made of it: folders that nobody may enter, names that are no text, trees
// deeper than a path can be long. It never follows a symlink and never enters another mount. One that is gone is a success. Nothing may
// write to it meanwhile.
func Remove(name string) error {
	parent, err := unix.Open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: path.Dir(name), Err: err}
	}
	defer unix.Close(parent)
	top, err := enter(parent, path.Base(name))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return unix.Unlinkat(parent, path.Base(name), 0)
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(top)
	if err := (&emptying{top: top, prefix: "." + rand.Text() + "-"}).all(); err != nil {
		return fmt.Errorf("empty %s: %w", name, err)
	}
	return unix.Unlinkat(parent, path.Base(name), unix.AT_REMOVEDIR)
}

// enter opens a folder with every right of its owner. A mode that is in the way is changed.
func enter(parent int, name string) (int, error) {
	fd, err := below(parent, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.EACCES) {
		if err := permit(parent, name); err != nil {
			return -1, err
		}
		return below(parent, name, unix.O_RDONLY|unix.O_DIRECTORY)
	}
	if err != nil {
		return -1, err
	}
	if err := writable(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// writable lets us remove what is in an open folder.
func writable(fd int) error {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	if info.Mode&0o700 == 0o700 {
		return nil
	}
	return unix.Fchmod(fd, 0o700)
}

// permit gives us every right to a folder that cannot even be opened.
func permit(parent int, name string) error {
	fd, err := below(parent, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A descriptor like that has no mode to change but by this name.
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700)
}

// emptying removes everything in the folder top. Every folder below is moved into it before it is emptied, so that neither paths nor
// the number of open descriptors grow with the depth.
type emptying struct {
	top    int
	prefix string
	moved  int
	// waiting are folders that have been moved.
	waiting []string
}

func (e *emptying) all() error {
	if err := e.folder(e.top); err != nil {
		return err
	}
	for len(e.waiting) > 0 {
		last := len(e.waiting) - 1
		name := e.waiting[last]
		e.waiting = e.waiting[:last]
		if err := e.one(name); err != nil {
			return err
		}
	}
	return nil
}

func (e *emptying) one(name string) error {
	fd, err := enter(e.top, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := e.folder(fd); err != nil {
		return err
	}
	return unix.Unlinkat(e.top, name, unix.AT_REMOVEDIR)
}

// folder unlinks what is in one folder and moves the folders in it to the top.
func (e *emptying) folder(fd int) error {
	names, err := namesIn(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := unix.Unlinkat(fd, name, 0)
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
			err = e.raise(fd, name)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "remove", Path: strconv.Quote(name), Err: err}
		}
	}
	return nil
}

// raise moves a folder to the top, under a name that nobody has.
func (e *emptying) raise(fd int, name string) error {
	to := e.prefix + strconv.Itoa(e.moved)
	e.moved++
	err := unix.Renameat(fd, name, e.top, to)
	if errors.Is(err, unix.EACCES) {
		// A folder that gets another parent must be writable itself.
		if err := permit(fd, name); err != nil {
			return err
		}
		err = unix.Renameat(fd, name, e.top, to)
	}
	if err == nil {
		e.waiting = append(e.waiting, to)
	}
	return err
}

func namesIn(fd int) ([]string, error) {
	// A descriptor of its own: os.File closes the one that it is given.
	own, err := below(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	folder := os.NewFile(uintptr(own), "folder")
	defer folder.Close()
	return folder.Readdirnames(-1)
}
