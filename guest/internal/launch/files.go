package launch

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// What is here does what package os does, without its poller: a file that is opened, used and closed at once would cost
// seven system calls more each, and a stage has dozens of them.

// writeFile makes a file, or empties the one that is there, and writes its content.
func writeFile(name string, data []byte, mode uint32) error {
	fd, err := open(unix.AT_FDCWD, name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, name, data)
}

func writeAll(fd int, name string, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "write", Path: name, Err: err}
		}
		data = data[n:]
	}
	return nil
}

// copyFile takes a file over. One that cannot be read by now is not shown. All go through one buffer: most of the time
// of a program as young as this goes into memory that it uses for the first time.
func (b *builder) copyFile(source, target string, mode uint32) error {
	from, err := open(unix.AT_FDCWD, source, unix.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(from)
	to, err := open(unix.AT_FDCWD, target, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	if b.buffer == nil {
		b.buffer = make([]byte, 32<<10)
	}
	for {
		n, err := unix.Read(from, b.buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "read", Path: source, Err: err}
		}
		if n == 0 {
			return nil
		}
		if err := writeAll(to, target, b.buffer[:n]); err != nil {
			return err
		}
	}
}

func open(folder int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(folder, name, flags|unix.O_CLOEXEC, mode)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return fd, nil
	}
}

// makeFolder makes a folder, and those above it that are missing. One that is there stays as it is.
func makeFolder(name string, mode uint32) error {
	err := unix.Mkdir(name, mode)
	if errors.Is(err, unix.ENOENT) {
		if err := makeFolder(path.Dir(name), 0o755); err != nil {
			return err
		}
		err = unix.Mkdir(name, mode)
	}
	if err == nil || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return &os.PathError{Op: "mkdir", Path: name, Err: err}
}
