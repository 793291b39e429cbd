package inside

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Place is where a file is or could be: a name in a folder that is open.
type Place struct {
	// Folder is open with O_PATH.
	Folder int
	// Name is one name; empty when Folder itself is meant.
	Name string
	// folderOnly: the path ended in a slash.
	folderOnly bool
}

// Place finds the folder of a path. follow says whether a symlink at its end stands for what it leads to. The last name need not
// exist. The caller closes the place.
func (r *Root) Place(where string, follow bool) (Place, error) {
	if err := Check(where); err != nil {
		return Place{}, err
	}
	folderOnly := false
	for links := 0; links <= mostLinks; links++ {
		trimmed := strings.TrimRight(where, "/")
		folderOnly = folderOnly || trimmed != where
		above, name := path.Split(trimmed)
		if name == "" || name == "." || name == ".." {
			fd, err := r.Folder(where)
			return Place{Folder: fd, folderOnly: true}, err
		}
		fd, err := r.Folder(above)
		if err != nil {
			return Place{}, err
		}
		place := Place{Folder: fd, Name: name, folderOnly: folderOnly}
		if !follow {
			return place, nil
		}
		target, err := ReadLink(fd, name)
		if err != nil {
			// It is no symlink, or nothing.
			return place, nil
		}
		place.Close()
		if where = target; !strings.HasPrefix(target, "/") {
			where = above + target
		}
	}
	return Place{}, unix.ELOOP
}

// Close gives the descriptor back.
func (p Place) Close() { _ = unix.Close(p.Folder) }

// Named fails unless the place has a name of its own, which can be made, changed or removed.
func (p Place) Named() error {
	if p.Name == "" {
		return unix.EINVAL
	}
	return nil
}

// Pin opens what is there with O_PATH: it can be looked at, and neither read nor written. A symlink is not followed.
func (p Place) Pin() (int, unix.Stat_t, error) {
	fd, err := p.pin()
	if err != nil {
		return -1, unix.Stat_t{}, err
	}
	var info unix.Stat_t
	if err = unix.Fstat(fd, &info); err == nil {
		err = RefuseKernel(fd)
	}
	if err == nil && p.folderOnly && info.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, info, err
	}
	return fd, info, nil
}

func (p Place) pin() (int, error) {
	if p.Name == "" {
		return clone(p.Folder)
	}
	return OpenAt(p.Folder, p.Name, unix.O_PATH, 0)
}

// OpenFile opens a regular file. Anything else is refused before it is opened, because opening a device or a FIFO is an act; what
// takes the file's place in that very moment is opened without waiting and closed again.
func (p Place) OpenFile(flags int) (int, unix.Stat_t, error) {
	for tries := 0; tries < patience; tries++ {
		pin, before, err := p.Pin()
		if err != nil {
			return -1, before, err
		}
		if err := Regular(before); err != nil {
			_ = unix.Close(pin)
			return -1, before, err
		}
		fd, err := OpenAt(p.Folder, p.Name, flags|unix.O_NONBLOCK, 0)
		// Only now: as long as the pin is open nobody else can have its number.
		same, info := Same(fd, before)
		_ = unix.Close(pin)
		if err == nil && same {
			return fd, info, nil
		}
		if err == nil {
			_ = unix.Close(fd)
		} else if err != unix.ELOOP && err != unix.ENXIO && err != unix.ENOENT {
			return -1, before, err
		}
	}
	return -1, unix.Stat_t{}, unix.EBUSY
}

// Regular fails unless it is a file with content.
func Regular(info unix.Stat_t) error {
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return unix.EISDIR
	case unix.S_IFLNK:
		return unix.ELOOP
	}
	return unix.EOPNOTSUPP
}

// Same tells whether an open file is the one that was looked at before, and what it is.
func Same(fd int, before unix.Stat_t) (bool, unix.Stat_t) {
	var info unix.Stat_t
	if fd < 0 || unix.Fstat(fd, &info) != nil {
		return false, info
	}
	return info.Dev == before.Dev && info.Ino == before.Ino && info.Mode&unix.S_IFMT == before.Mode&unix.S_IFMT, info
}

// Chmod changes the mode of what is pinned, which has that name in that folder.
func Chmod(pin, folder int, name string, mode uint32) error {
	err := unix.Fchmodat(pin, "", mode, unix.AT_EMPTY_PATH)
	if err != unix.EOPNOTSUPP || name == "" {
		return err
	}
	return chmodByName(pin, folder, name, mode)
}

// chmodByName is for Linux before 6.6, where the mode of what is only pinned cannot be changed.
func chmodByName(pin, folder int, name string, mode uint32) error {
	var info unix.Stat_t
	if err := unix.Fstat(pin, &info); err != nil {
		return err
	}
	if kind := info.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return unix.EOPNOTSUPP
	}
	fd, err := OpenAt(folder, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == unix.EACCES && unix.Geteuid() != 0 {
		// By its name, although a symlink that takes the name now would be followed: as ourselves we can do no more there than the
		// one who made it. Root could, but root can mostly open it.
		return unix.Fchmodat(folder, name, mode, 0)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if same, _ := Same(fd, info); !same {
		return unix.EBUSY
	}
	return unix.Fchmod(fd, mode)
}
