package files

import (
	"archive/tar"
	"io"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// moveFar moves to another file system: a copy is made beside the place it shall have, takes its name in one step, and only then
// the original is removed. What cannot be copied as it is keeps everything as it was.
func moveFar(stream *wire.Stream, from, to inside.Place, flags uint) error {
	temp, err := withTemp(func(name string) error { return makeFolder(to.Folder, name, 0o700) })
	if err != nil {
		return err
	}
	// Also when nobody is interested any more.
	defer func() { _ = removeTree(nil, to.Folder, temp) }()
	room, err := inside.OpenAt(to.Folder, temp, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(room)
	if err := copyInto(stream, from, room); err != nil {
		return err
	}
	if err := unix.Renameat2(room, from.Name, to.Folder, to.Name, flags); err != nil {
		return err
	}
	return removeTree(stream.Canceled(), from.Folder, from.Name)
}

// copyInto copies by way of an archive, which knows how to do it among people who change names meanwhile.
func copyInto(stream *wire.Stream, from inside.Place, room int) error {
	read, write := io.Pipe()
	a := archive{tar: tar.NewWriter(write), buffer: wire.NewBuf(), canceled: stream.Canceled()}
	defer func() { a.buffer.Free() }()
	packed := make(chan error, 1)
	go func() {
		err := a.entry(from.Folder, from.Name, from.Name)
		if err == nil {
			err = a.tar.Close()
		}
		_ = write.CloseWithError(err)
		packed <- err
	}()
	u := unpacking{base: room, last: -1, buffer: wire.NewBuf()}
	err := u.entries(tar.NewReader(read))
	if err == nil {
		err = u.close()
	}
	_ = read.CloseWithError(io.ErrClosedPipe)
	u.buffer.Free()
	u.forget()
	if wrong := <-packed; wrong != nil && wrong != io.ErrClosedPipe {
		return wrong
	}
	if err == nil && (a.Skipped > 0 || a.Changed > 0) {
		return refuse("unsupported", "something in it cannot be copied to another file system, so nothing was moved")
	}
	return err
}
