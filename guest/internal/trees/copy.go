// Package trees copies and removes folders whose content other people control: they may change names while we look, and they
// choose names, modes and depths as they like. Everything is opened below the descriptor of its folder, so that nothing
// outside is ever read, changed or removed, and no path grows too long.
package trees

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Owner is a user and a group of the host.
type Owner struct{ UID, GID int }

// Copy says what shall become of a copy.
type Copy struct {
	// To is who owns it.
	To Owner
	// Hidden are files that do not come along, by their path below the source.
	Hidden []string
	// Replaced are files that come along with other content, by their path below the source. One that is not there does not appear.
	Replaced map[string]string
}

// Copy copies folders, regular files and symlinks below an open folder, which it closes, to target, a folder that is made if it is not
// there. Sockets, FIFOs, devices and other file systems below stay behind, and so does what may not be read. Blocks are
// shared with the original where the file system can.
func (work Copy) Copy(source int, target string) error {
	var info unix.Stat_t
	if err := unix.Fstat(source, &info); err != nil {
		_ = unix.Close(source)
		return err
	}
	c := copier{Copy: work, owner: info.Uid, asRoot: os.Geteuid() == 0, hidden: make(map[string]bool, len(work.Hidden))}
	for _, name := range work.Hidden {
		c.hidden[name] = true
	}
	return c.folder(source, info, unix.AT_FDCWD, target, "")
}

type copier struct {
	Copy
	hidden map[string]bool
	// owner is whom the project belongs to. Started as root, files of others are copied only if everybody may read them.
	owner  uint32
	asRoot bool
	// noClone is true once the file systems turned out not to share blocks; noRange, not to copy by themselves.
	noClone, noRange bool
	buffer           []byte
}

// folder copies what is in an open folder, which it closes, into the name below parent; inside is its path below the source.
func (c *copier) folder(fd int, info unix.Stat_t, parent int, name, inside string) error {
	folder := os.NewFile(uintptr(fd), name)
	defer folder.Close()
	// Writable for us while we fill it; the workload owns it afterwards.
	if err := unix.Mkdirat(parent, name, info.Mode&0o777|0o700); err != nil && !(inside == "" && errors.Is(err, unix.EEXIST)) {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	target, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(target)
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.entry(fd, target, name, path.Join(inside, name)); err != nil {
			return err
		}
	}
	return c.finish(target, info)
}

// finish gives an open file or folder its owner and the time of the original.
func (c *copier) finish(fd int, info unix.Stat_t) error {
	if err := unix.Fchown(fd, c.To.UID, c.To.GID); err != nil {
		return err
	}
	times := []unix.Timespec{info.Mtim, info.Mtim}
	return utimens(fd, times)
}

// passedOver tells the failures that leave one file behind: it may not be read, it is not what it was a moment ago, or it is a mount.
func passedOver(err error) bool {
	for _, number := range []error{unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EXDEV, unix.ENXIO} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

func (c *copier) entry(parent, target int, name, inside string) error {
	if c.hidden[inside] {
		return nil
	}
	var info unix.Stat_t
	if err := unix.Fstatat(parent, name, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return unlessPassedOver(err)
	}
	kind := info.Mode & unix.S_IFMT
	if content, ok := c.Replaced[inside]; ok {
		if kind == unix.S_IFDIR {
			return nil
		}
		return c.text(target, name, content, info)
	}
	switch kind {
	case unix.S_IFDIR:
		if c.foreign(info, 0o005) {
			return nil
		}
		fd, err := below(parent, name, unix.O_RDONLY|unix.O_DIRECTORY)
		if errors.Is(err, unix.EXDEV) {
			return c.hollow(target, name)
		}
		if err != nil {
			return unlessPassedOver(err)
		}
		return c.folder(fd, info, target, name, inside)
	case unix.S_IFLNK:
		return c.link(parent, target, name)
	case unix.S_IFREG:
		return c.file(parent, target, name)
	default:
		return nil
	}
}

func unlessPassedOver(err error) error {
	if passedOver(err) {
		return nil
	}
	return err
}

// below opens a name without following a symlink or entering another mount.
func below(folder int, name string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
	for {
		fd, err := unix.Openat2(folder, name, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// foreign is true for what belongs to somebody else than the project and is not for everybody.
func (c *copier) foreign(info unix.Stat_t, bits uint32) bool {
	return c.asRoot && info.Uid != c.owner && info.Mode&bits != bits
}

// hollow makes the folder that something is mounted on.
func (c *copier) hollow(target int, name string) error {
	if err := unix.Mkdirat(target, name, 0o755); err != nil {
		return err
	}
	return unix.Fchownat(target, name, c.To.UID, c.To.GID, unix.AT_SYMLINK_NOFOLLOW)
}

func (c *copier) link(parent, target int, name string) error {
	buffer := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(parent, name, buffer)
	if err != nil {
		if errors.Is(err, unix.EINVAL) {
			return nil
		}
		return unlessPassedOver(err)
	}
	if err := unix.Symlinkat(string(buffer[:size]), target, name); err != nil {
		return err
	}
	return unix.Fchownat(target, name, c.To.UID, c.To.GID, unix.AT_SYMLINK_NOFOLLOW)
}

func (c *copier) file(parent, target int, name string) error {
	// Non-blocking: a FIFO may have taken the file's place.
	in, err := below(parent, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return unlessPassedOver(err)
	}
	defer unix.Close(in)
	// What was opened counts, not what was there when the folder was read.
	var info unix.Stat_t
	if err := unix.Fstat(in, &info); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT != unix.S_IFREG || c.foreign(info, 0o004) {
		return nil
	}
	out, err := create(target, name, info.Mode&0o777)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	if err := c.content(in, out, info); err != nil {
		return &os.PathError{Op: "copy", Path: name, Err: err}
	}
	return c.finish(out, info)
}

func (c *copier) text(target int, name, content string, info unix.Stat_t) error {
	out, err := create(target, name, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	if err := writeAll(out, []byte(content)); err != nil {
		return &os.PathError{Op: "write", Path: name, Err: err}
	}
	return c.finish(out, info)
}

func create(folder int, name string, mode uint32) (int, error) {
	fd, err := unix.Openat(folder, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return -1, &os.PathError{Op: "create", Path: name, Err: err}
	}
	return fd, nil
}
