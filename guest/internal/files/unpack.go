package files

import (
	"archive/tar"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

type unpacking struct {
	unpacked
	base   int
	buffer *wire.Buf
	// last is the folder of the file before, open, because the next is mostly in it too; lastPath is where it is.
	last     int
	lastPath string
	// closed are folders that we made and that get a mode in which nothing can be made, when all is done.
	closed []closedFolder
}

type closedFolder struct {
	path string
	mode uint32
}

// mostClosed bounds what is remembered. Folders beyond stay open for their owner.
const mostClosed = 65536

// rejected is a refusal of one name in the archive.
type rejected struct {
	name string
	err  error
}

func (r rejected) Error() string { return strconv.Quote(r.name) + " in the archive: " + r.err.Error() }
func (r rejected) Unwrap() error { return r.err }

func (u *unpacking) all(source *upload) error {
	if err := u.entries(tar.NewReader(source)); err != nil {
		return err
	}
	if err := source.drain(); err != nil {
		return err
	}
	return u.close()
}

func (u *unpacking) entries(reader *tar.Reader) error {
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.entry(header, reader); err != nil {
			return rejected{header.Name, err}
		}
	}
}

func (u *unpacking) entry(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	where, err := checkName(header.Name)
	if err != nil {
		return err
	}
	if isSparse(header) {
		return refuse("unsupported", "files with holes are not unpacked; make the archive without --sparse")
	}
	above, name := "", where
	if slash := strings.LastIndexByte(where, '/'); slash >= 0 {
		above, name = where[:slash], where[slash+1:]
	}
	if name == "" {
		if header.Typeflag != tar.TypeDir {
			return refuse("invalid", "a file without a name")
		}
		return nil
	}
	folder, err := u.folder(above)
	if err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return u.makeFolder(folder, name, where, header)
	case tar.TypeReg:
		err = u.file(folder, name, header, content)
	case tar.TypeSymlink:
		err = u.symlink(folder, name, header.Linkname)
	case tar.TypeLink:
		err = u.link(folder, name, header.Linkname)
	default:
		return refuse("unsupported", "devices and FIFOs are not unpacked")
	}
	if err == nil {
		u.Files++
	}
	return err
}

func refuse(code, message string) error { return &wire.ErrorBody{Code: code, Message: message} }

// checkName returns the names of a path in the archive without those that mean nothing; "" is the folder itself.
func checkName(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", refuse("path_forbidden", "the name is absolute")
	}
	if len(name) > inside.MostPath || strings.IndexByte(name, 0) >= 0 {
		return "", refuse("invalid", "a name has at most 4,096 bytes and no NUL")
	}
	var kept []string
	for _, part := range strings.Split(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", refuse("path_forbidden", "the name leads upwards")
		default:
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/"), nil
}

// isSparse tells files with holes: a few bytes of archive could claim to be more zeroes than any disk holds.
func isSparse(header *tar.Header) bool {
	if header.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// folder opens a folder below the base, and makes what is missing of it. It stays open until the next is asked for.
func (u *unpacking) folder(where string) (int, error) {
	if u.last >= 0 && u.lastPath == where {
		return u.last, nil
	}
	fd, err := inside.OpenAt(u.base, ".", unix.O_PATH|unix.O_DIRECTORY, 0)
	for _, name := range strings.Split(where, "/") {
		if err != nil {
			return -1, err
		}
		if name == "" {
			continue
		}
		var next int
		next, err = step(fd, name)
		_ = unix.Close(fd)
		fd = next
	}
	if err != nil {
		return -1, err
	}
	u.forget()
	u.last, u.lastPath = fd, where
	return fd, nil
}

func (u *unpacking) forget() {
	if u.last >= 0 {
		_ = unix.Close(u.last)
		u.last = -1
	}
}

// step goes one folder down.
func step(parent int, name string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY
	fd, err := inside.OpenAt(parent, name, flags, 0)
	if err == unix.ENOENT {
		if err = makeFolder(parent, name, usualFolder); err == nil || err == unix.EEXIST {
			fd, err = inside.OpenAt(parent, name, flags, 0)
		}
	}
	if err == unix.ENOTDIR || err == unix.ELOOP {
		var info unix.Stat_t
		if unix.Fstatat(parent, name, &info, unix.AT_SYMLINK_NOFOLLOW) == nil && info.Mode&unix.S_IFMT == unix.S_IFLNK {
			return -1, refuse("path_forbidden", "it lies below a symlink")
		}
		return -1, unix.ENOTDIR
	}
	if err != nil {
		return -1, err
	}
	if err := inside.RefuseKernel(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// plainMode leaves out what a program would lend of its owner's rights.
func plainMode(header *tar.Header) uint32 { return uint32(header.Mode) & 0o777 }

// makeFolder makes a folder. One that is there keeps its mode.
func (u *unpacking) makeFolder(parent int, name, where string, header *tar.Header) error {
	mode := plainMode(header)
	err := makeFolder(parent, name, mode|0o700)
	if err == unix.EEXIST {
		fd, err := step(parent, name)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	if err == nil && mode&0o700 != 0o700 && len(u.closed) < mostClosed {
		u.closed = append(u.closed, closedFolder{where, mode})
	}
	return err
}

// close takes rights from folders that are full, the deepest first.
func (u *unpacking) close() error {
	for i := len(u.closed) - 1; i >= 0; i-- {
		fd, err := inside.Subfolder(u.base, u.closed[i].path)
		if err != nil {
			// Somebody has moved it.
			continue
		}
		above, name := splitName(u.closed[i].path)
		parent, err := inside.Subfolder(u.base, above)
		if err == nil {
			err = inside.Chmod(fd, parent, name, u.closed[i].mode)
			_ = unix.Close(parent)
		}
		_ = unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

func splitName(where string) (above, name string) {
	if slash := strings.LastIndexByte(where, '/'); slash >= 0 {
		return where[:slash], where[slash+1:]
	}
	return "", where
}
