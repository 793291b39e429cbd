package launch

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// What is here does what package os does, without its poller: a file that is opened, used and closed at once would cost
// seven system calls more each, and a stage has dozens of them.

// readFile returns the content of a file.
func readFile(name string) ([]byte, error) {
	fd, err := open(unix.AT_FDCWD, name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	// One byte more than there should be: the read that finds the end is then the same one.
	data := make([]byte, 0, info.Size+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := unix.Read(fd, data[len(data):cap(data)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: name, Err: err}
		}
		if data = data[:len(data)+n]; n == 0 {
			return data, nil
		}
	}
}

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
