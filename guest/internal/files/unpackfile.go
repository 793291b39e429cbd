package files

import (
	"archive/tar"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
)

func (u *unpacking) file(folder int, name string, header *tar.Header, content io.Reader) error {
	file, err := newTemp(folder)
	if err != nil {
		return err
	}
	defer file.close()
	for at := int64(0); ; {
		n, err := content.Read(u.buffer.Bytes())
		if wrong := pwrite(file.fd, u.buffer.Bytes()[:n], at); wrong != nil {
			return wrong
		}
		at += int64(n)
		if err == io.EOF {
			u.Size += at
			break
		}
		if err != nil {
			return err
		}
	}
	// As far as the file system can tell it.
	_ = setTime(file.fd, header.ModTime)
	return file.become(name, plainMode(header))
}

func setTime(fd int, at time.Time) error {
	when, err := unix.TimeToTimespec(at)
	if err != nil {
		return err
	}
	return utimens(fd, [2]unix.Timespec{when, when})
}

// symlink makes a symlink, which may lead anywhere: nothing of the archive is made behind it.
func (u *unpacking) symlink(folder int, name, target string) error {
	if target == "" || len(target) >= unix.PathMax || strings.IndexByte(target, 0) >= 0 {
		return refuse("invalid", "a symlink that leads to no path")
	}
	return replaceBy(folder, name, func(temp string) error { return unix.Symlinkat(target, folder, temp) })
}

// link gives another name to a file below the base.
func (u *unpacking) link(folder int, name, target string) error {
	where, err := checkName(target)
	if err != nil {
		return err
	}
	above, old := splitName(where)
	if old == "" {
		return refuse("invalid", "a hard link to no file")
	}
	from, err := inside.Subfolder(u.base, above)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	pin, info, err := inside.Place{Folder: from, Name: old}.Pin()
	if err != nil {
		return err
	}
	_ = unix.Close(pin)
	if err := inside.Regular(info); err != nil {
		return err
	}
	return replaceBy(folder, name, func(temp string) error { return unix.Linkat(from, old, folder, temp, 0) })
}

// replaceBy makes something under another name first, so that whoever looks sees the old or the new.
func replaceBy(folder int, name string, make func(temp string) error) error {
	temp, err := withTemp(make)
	if err != nil {
		return err
	}
	err = unix.Renameat(folder, temp, folder, name)
	// Between two names of the same file the kernel does nothing, and the other name stays.
	_ = unix.Unlinkat(folder, temp, 0)
	return err
}
