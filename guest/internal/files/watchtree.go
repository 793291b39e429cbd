package files

import (
	"encoding/binary"
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
)

// node is a watched folder. Its path is that of its parent now, so that moving a tree costs one change.
type node struct {
	wd       int32
	parent   *node
	name     string
	children map[string]*node
}

func (n *node) adopt(child *node) {
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	n.children[child.name] = child
}

// below is the path from the watched folder; empty for itself.
func (n *node) below() string {
	var names []string
	for ; n.parent != nil; n = n.parent {
		names = append(names, n.name)
	}
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	return strings.Join(names, "/")
}

// pathOf is the path of a name in a folder, as the caller knows it.
func (w *watch) pathOf(at *node, name string) string {
	if w.only != "" {
		return w.path
	}
	return path.Join(w.path, at.below(), name)
}

// addWatch watches an open folder. inotify takes a path only, and no path that others can change is safe: it is named from within.
func (w *watch) addWatch(folder int, mask uint32) (wd int32, err error) {
	err = inside.In(folder, func() error {
		number, err := unix.InotifyAddWatch(w.fd, ".", mask)
		wd = int32(number)
		return err
	})
	if err == unix.ENOSPC {
		return 0, errTooMany
	}
	return wd, err
}

// add watches the open folder of a node.
func (w *watch) add(folder int, n *node) error {
	if err := inside.RefuseKernel(folder); err != nil {
		return err
	}
	if len(w.nodes) >= mostFolders {
		return errTooMany
	}
	wd, err := w.addWatch(folder, watched)
	if err != nil {
		return err
	}
	n.wd = wd
	// The same folder has the same number: it was moved, and this is where it is now.
	if old := w.nodes[n.wd]; old != nil && old != n {
		if old.parent != nil && old.parent.children[old.name] == old {
			delete(old.parent.children, old.name)
		}
		for _, child := range old.children {
			child.parent = n
			n.adopt(child)
		}
	}
	w.nodes[n.wd] = n
	return nil
}

// forget ends the watches of a folder and of all below.
func (w *watch) forget(n *node) {
	waiting := []*node{n}
	for len(waiting) > 0 {
		n := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		for _, child := range n.children {
			waiting = append(waiting, child)
		}
		if w.nodes[n.wd] == n {
			delete(w.nodes, n.wd)
			_, _ = unix.InotifyRmWatch(w.fd, uint32(n.wd))
		}
	}
}

// enter watches a new folder, and tells of what was made in it before we did.
func (w *watch) enter(at *node, name string) error {
	if !w.recursive || isTemp(name) {
		return nil
	}
	child, err := w.child(at, name)
	if child == nil || err != nil {
		return err
	}
	return w.scan(child, true)
}

// child watches the folder of that name; nil when it is none any more or may not be watched.
func (w *watch) child(at *node, name string) (*node, error) {
	where := name
	if below := at.below(); below != "" {
		where = below + "/" + name
	}
	if len(w.path)+1+len(where) > inside.MostPath {
		// Nobody could be told what is in it.
		return nil, nil
	}
	fd, err := inside.Subfolder(w.base, where)
	if err != nil {
		return nil, passOver(err)
	}
	defer unix.Close(fd)
	child := at.children[name]
	if child == nil {
		child = &node{parent: at, name: name}
	}
	if err := w.add(fd, child); err != nil {
		return nil, passOver(err)
	}
	at.adopt(child)
	return child, nil
}

// passOver says that one folder is not watched because it is gone, another thing, or not for us.
func passOver(err error) error {
	for _, harmless := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EACCES, unix.EPERM, inside.ErrForbidden} {
		if errors.Is(err, harmless) {
			return nil
		}
	}
	return err
}

// scan watches the folders below one. What is made in a folder while we look at it shows itself: it is watched already.
func (w *watch) scan(from *node, tell bool) error {
	waiting := []*node{from}
	for len(waiting) > 0 {
		n := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		select {
		case <-w.stream.Canceled():
			return nil
		default:
		}
		more, err := w.scanOne(n, tell)
		if err != nil {
			return err
		}
		waiting = append(waiting, more...)
	}
	return nil
}

func (w *watch) scanOne(n *node, tell bool) (found []*node, err error) {
	pin, err := inside.Subfolder(w.base, n.below())
	if err != nil {
		return nil, passOver(err)
	}
	defer unix.Close(pin)
	fd, err := inside.OpenAt(pin, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, passOver(err)
	}
	defer unix.Close(fd)
	names := inside.ReadNames(fd, 8<<10)
	for {
		piece, err := names.Next()
		if err != nil || len(piece) == 0 {
			return found, passOver(err)
		}
		for _, name := range piece {
			var info unix.Stat_t
			if isTemp(name) || unix.Fstatat(fd, name, &info, unix.AT_SYMLINK_NOFOLLOW) != nil {
				continue
			}
			if tell {
				w.changes.add(w, "created", w.pathOf(n, name))
			}
			if info.Mode&unix.S_IFMT != unix.S_IFDIR {
				continue
			}
			child, err := w.child(n, name)
			if err != nil {
				return nil, err
			}
			if child != nil {
				found = append(found, child)
			}
		}
	}
}

// inotifyEvent is one event of the kernel.
type inotifyEvent struct {
	wd     int32
	mask   uint32
	cookie uint32
	name   string
}

// eachEvent takes apart what was read.
func eachEvent(data []byte, take func(inotifyEvent) error) error {
	for len(data) >= unix.SizeofInotifyEvent {
		length := int(binary.NativeEndian.Uint32(data[12:]))
		end := unix.SizeofInotifyEvent + length
		if length < 0 || end > len(data) {
			return unix.EIO
		}
		event := inotifyEvent{
			wd:     int32(binary.NativeEndian.Uint32(data)),
			mask:   binary.NativeEndian.Uint32(data[4:]),
			cookie: binary.NativeEndian.Uint32(data[8:]),
			name:   strings.TrimRight(string(data[unix.SizeofInotifyEvent:end]), "\x00"),
		}
		if err := take(event); err != nil {
			return err
		}
		data = data[end:]
	}
	return nil
}
