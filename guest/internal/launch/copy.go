package launch

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// copier copies a tree that other people may change meanwhile. Each name is opened below the descriptor of its folder,
// without following a symlink, so that nothing outside is ever read.
type copier struct {
	// to is who owns the copies.
	to plan.Identity
	// owner is whom the project belongs to. Started as root, files of others are copied only if everybody may read them.
	owner  uint32
	asRoot bool
}

// copyTree copies folders, regular files and symlinks; sockets, FIFOs and devices stay behind. It is the way out where
// the kernel has no overlay. Blocks are shared with the original where the file system can.
func copyTree(source, target string, to plan.Identity) error {
	root, err := unix.Open(source, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: source, Err: err}
	}
	var info unix.Stat_t
	if err := unix.Fstat(root, &info); err != nil {
		_ = unix.Close(root)
		return err
	}
	c := copier{to: to, owner: info.Uid, asRoot: os.Geteuid() == 0}
	return c.folder(root, info.Mode, target)
}

// folder copies what is in an open folder, which it closes.
func (c copier) folder(fd int, mode uint32, target string) error {
	folder := os.NewFile(uintptr(fd), target)
	defer folder.Close()
	// Writable for us while we fill it; the workload owns it afterwards.
	if err := os.MkdirAll(target, os.FileMode(mode&0o777)|0o700); err != nil {
		return err
	}
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.entry(fd, name, filepath.Join(target, name)); err != nil && !passedOver(err) {
			return err
		}
	}
	return os.Lchown(target, c.to.UID, c.to.GID)
}

// passedOver tells the failures that leave one file behind: it may not be read, or it is not what it was a moment ago.
func passedOver(err error) bool {
	for _, number := range []error{unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR, unix.ELOOP} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

func (c copier) entry(parent int, name, target string) error {
	var info unix.Stat_t
	if err := unix.Fstatat(parent, name, &info, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if c.foreign(info, 0o005) {
			return nil
		}
		fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return c.folder(fd, info.Mode, target)
	case unix.S_IFLNK:
		return c.link(parent, name, target)
	case unix.S_IFREG:
		return c.file(parent, name, target)
	default:
		return nil
	}
}

// foreign is true for what belongs to somebody else than the project and is not for everybody.
func (c copier) foreign(info unix.Stat_t, bits uint32) bool {
	return c.asRoot && info.Uid != c.owner && info.Mode&bits != bits
}

func (c copier) link(parent int, name, target string) error {
	buffer := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(parent, name, buffer)
	if err != nil {
		return err
	}
	if err := os.Symlink(string(buffer[:size]), target); err != nil {
		return err
	}
	return os.Lchown(target, c.to.UID, c.to.GID)
}

func (c copier) file(parent int, name, target string) error {
	// Non-blocking: a FIFO may have taken the file's place.
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	in := os.NewFile(uintptr(fd), name)
	defer in.Close()
	// What was opened counts, not what was there when the folder was read.
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT != unix.S_IFREG || c.foreign(info, 0o004) {
		return nil
	}
	return c.write(in, target, os.FileMode(info.Mode&0o777))
}

func (c copier) write(in *os.File, target string, mode os.FileMode) error {
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) != nil {
		if _, err := io.Copy(out, in); err != nil {
			_ = out.Close()
			return err
		}
	}
	if err := out.Chown(c.to.UID, c.to.GID); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
