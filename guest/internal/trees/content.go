package trees

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// smallFile is read and written at once: asking for something better costs more.
	smallFile = 64 << 10
	bufferLen = 128 << 10
	// rangeLen is copied by one call; a caller that gives up waits no longer than for one.
	rangeLen = 64 << 20
)

// content copies what a file has now. What is appended meanwhile stays behind, so that it ends.
func (c *copier) content(in, out int, info unix.Stat_t) error {
	if info.Size <= smallFile {
		return c.bytes(in, out, 0, info.Size)
	}
	if !c.noClone {
		err := unix.IoctlFileClone(out, in)
		if err == nil {
			return nil
		}
		// No other reason than that there is none, or that it is full, is known; both show themselves.
		c.noClone = true
	}
	if info.Blocks*512 >= info.Size {
		return c.extent(in, out, 0, info.Size)
	}
	return c.sparse(in, out, info.Size)
}

// sparse copies only what a file with holes really has: a terabyte of nothing must not become one of zeroes.
func (c *copier) sparse(in, out int, size int64) error {
	if err := unix.Ftruncate(out, size); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		start, err := unix.Seek(in, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(in, start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := c.extent(in, out, start, min(end, size)); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// extent lets the kernel copy, as far as it can.
func (c *copier) extent(in, out int, at, end int64) error {
	for at < end && !c.noRange {
		from, to := at, at
		n, err := unix.CopyFileRange(in, &from, out, &to, int(min(end-at, rangeLen)), 0)
		switch {
		case err == unix.EINTR:
		case err == unix.ENOSPC || err == unix.EDQUOT || err == unix.EFBIG:
			return err
		case err != nil:
			c.noRange = true
		case n == 0:
			// It became shorter.
			return nil
		default:
			at += int64(n)
		}
	}
	return c.bytes(in, out, at, end)
}

func (c *copier) bytes(in, out int, at, end int64) error {
	if c.buffer == nil {
		c.buffer = make([]byte, bufferLen)
	}
	for at < end {
		n, err := unix.Pread(in, c.buffer[:min(end-at, bufferLen)], at)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for done := 0; done < n; {
			wrote, err := unix.Pwrite(out, c.buffer[done:n], at+int64(done))
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			done += wrote
		}
		at += int64(n)
	}
	return nil
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// utimens sets the times of an open file; the package we use has it only for names.
func utimens(fd int, times []unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
