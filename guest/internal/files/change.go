package files

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

const usualFolder = 0o755

func (f files) mkdir(_ *wire.Stream, r request) (any, error) {
	if r.Parents {
		if err := f.parents(r.Path); err != nil {
			return nil, err
		}
	}
	// Not followed: what a dangling symlink leads to is not made by accident.
	place, err := f.root.Place(r.Path, false)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	if place.Name == "" {
		err = unix.EEXIST
	} else {
		err = makeFolder(place.Folder, place.Name, r.mode(usualFolder))
	}
	if err == unix.EEXIST && r.Parents && f.isFolder(r.Path) {
		err = nil
	}
	return nothing{}, err
}

// makeFolder makes a folder with exactly that mode.
func makeFolder(parent int, name string, mode uint32) error {
	// The filter of the sandbox looks at the mode, and no mask may take from it.
	if err := unix.Mkdirat(parent, name, mode&0o777|0o700); err != nil {
		return err
	}
	fd, err := inside.OpenAt(parent, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err = unix.Fchmod(fd, mode); err != nil {
		_ = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	}
	return err
}

func (f files) isFolder(where string) bool {
	fd, err := f.root.Folder(where)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// parents makes the folders above a path that are missing.
func (f files) parents(where string) error {
	above := path.Dir(strings.TrimRight(where, "/"))
	if strings.HasSuffix(where, "/..") || strings.Contains(where, "/../") {
		// What `..` means is known only where all exists.
		fd, err := f.root.Folder(above)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	return f.folders(above)
}

// folders makes a folder and those above it, as far as they are missing.
func (f files) folders(where string) error {
	end := len(where)
	var err error
	// From the end: most of it exists mostly.
	for end > 0 {
		var fd int
		if fd, err = f.root.Folder(where[:end]); err == nil {
			_ = unix.Close(fd)
			break
		}
		if err != unix.ENOENT {
			return err
		}
		end = strings.LastIndexByte(where[:end], '/')
	}
	for end < len(where) {
		next := strings.IndexByte(where[end+1:], '/')
		if next < 0 {
			end = len(where)
		} else {
			end += 1 + next
		}
		if err := f.oneFolder(where[:end]); err != nil {
			return err
		}
	}
	return nil
}

func (f files) oneFolder(where string) error {
	place, err := f.root.Place(where, true)
	if err != nil {
		return err
	}
	defer place.Close()
	if place.Name == "" {
		return nil
	}
	if err := makeFolder(place.Folder, place.Name, usualFolder); err != unix.EEXIST {
		return err
	}
	return nil
}

func (f files) move(stream *wire.Stream, r request) (any, error) {
	if err := inside.Check(r.To); err != nil {
		return nil, err
	}
	from, err := f.root.Place(r.Path, false)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	pin, _, err := from.Pin()
	if err != nil {
		return nil, err
	}
	_ = unix.Close(pin)
	to, err := f.root.Place(r.To, false)
	if err != nil {
		return nil, Failure(r.To, err)
	}
	defer to.Close()
	if from.Named() != nil || to.Named() != nil {
		return nil, invalid("both paths end in a name")
	}
	flags := uint(0)
	if r.Overwrite != nil && !*r.Overwrite {
		flags = unix.RENAME_NOREPLACE
	}
	err = unix.Renameat2(from.Folder, from.Name, to.Folder, to.Name, flags)
	if err == unix.EXDEV {
		err = moveFar(stream, from, to, flags)
	}
	if err == unix.EEXIST && flags == 0 {
		// What some file systems say of a folder in the way.
		err = unix.ENOTEMPTY
	}
	return nothing{}, err
}

func (f files) chmod(_ *wire.Stream, r request) (any, error) {
	if r.Mode == nil {
		return nil, invalid("chmod needs a mode")
	}
	place, err := f.root.Place(r.Path, true)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	pin, _, err := place.Pin()
	if err != nil {
		return nil, err
	}
	defer unix.Close(pin)
	return nothing{}, inside.Chmod(pin, place.Folder, place.Name, r.mode(0))
}
