package inside

import (
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// mostLinks is how many symlinks the kernel follows in one path.
	mostLinks = 40
	// mostPending bounds what symlinks may make of one path, in names.
	mostPending = 16 << 10
)

// walker resolves a path as openat2 does with RESOLVE_IN_ROOT, name by name. It needs no call that a filter may refuse.
type walker struct {
	// trail are the open folders from the root to where we are. `..` goes back to the one that we came through, and not to what
	// may be the parent by now.
	trail []int
	// pending are the names still to come, the next one last.
	pending []string
	links   int
}

func walk(root int, path string) (int, error) {
	w := walker{trail: []int{root}}
	defer func() { w.back(1) }()
	if err := w.push(path); err != nil {
		return -1, err
	}
	for len(w.pending) > 0 {
		last := len(w.pending) - 1
		name := w.pending[last]
		w.pending = w.pending[:last]
		var err error
		switch name {
		case "", ".":
		case "..":
			w.back(max(1, len(w.trail)-1))
		default:
			err = w.enter(name)
		}
		if err != nil {
			return -1, err
		}
	}
	if len(w.trail) == 1 {
		return clone(root)
	}
	found := w.here()
	w.trail = w.trail[:len(w.trail)-1]
	return found, nil
}

func (w *walker) here() int { return w.trail[len(w.trail)-1] }

// back goes back to the folder number keep of the trail.
func (w *walker) back(keep int) {
	for len(w.trail) > keep {
		_ = unix.Close(w.here())
		w.trail = w.trail[:len(w.trail)-1]
	}
}

// push puts the names of a path before those that are still to come.
func (w *walker) push(path string) error {
	names := strings.Split(path, "/")
	if len(w.pending)+len(names) > mostPending {
		return unix.ENAMETOOLONG
	}
	for i := len(names) - 1; i >= 0; i-- {
		w.pending = append(w.pending, names[i])
	}
	return nil
}

func (w *walker) enter(name string) error {
	fd, err := OpenAt(w.here(), name, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	var info unix.Stat_t
	if err = unix.Fstat(fd, &info); err == nil {
		switch info.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			w.trail = append(w.trail, fd)
			return nil
		case unix.S_IFLNK:
			err = w.follow(fd)
		default:
			err = unix.ENOTDIR
		}
	}
	_ = unix.Close(fd)
	return err
}

func (w *walker) follow(link int) error {
	if w.links++; w.links > mostLinks {
		return unix.ELOOP
	}
	// What is a link there may lead to a place without a name.
	if err := RefuseKernel(link); err != nil {
		return err
	}
	target, err := ReadLink(link, "")
	if err != nil {
		return err
	}
	if strings.HasPrefix(target, "/") {
		w.back(1)
	}
	return w.push(target)
}

// ReadLink reads where a symlink leads. The name is empty for an open symlink.
func ReadLink(folder int, name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(folder, name, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}
