package files

import (
	"archive/tar"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// archived is the result of tar_out.
type archived struct {
	// Files counts everything but folders.
	Files int64 `json:"files"`
	// Skipped are sockets, devices, FIFOs, and what could not be read.
	Skipped int64 `json:"skipped,omitempty"`
	// Changed are files that became shorter while they were read: zeroes stand for what was missing.
	Changed int64 `json:"changed,omitempty"`
}

func (f files) tarOut(stream *wire.Stream, r request) (any, error) {
	place, err := f.root.Place(r.Path, true)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	pin, info, err := place.Pin()
	if err != nil {
		return nil, err
	}
	_ = unix.Close(pin)
	name := path.Base(path.Clean(r.Path))
	if name == "/" {
		name = "."
	}
	a := archive{canceled: stream.Canceled(), tar: tar.NewWriter(channel{stream}), buffer: wire.NewBuf()}
	defer func() { a.buffer.Free() }()
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		var fd int
		if fd, err = f.openFolder(r.Path); err == nil {
			err = a.folder(fd, name, true)
		}
	case unix.S_IFREG:
		err = a.file(place, name)
	default:
		err = unix.EOPNOTSUPP
	}
	if err == nil {
		err = a.tar.Close()
	}
	return a.archived, err
}

// channel writes to the stream.
type channel struct{ *wire.Stream }

func (c channel) Write(p []byte) (int, error) {
	if err := c.Stream.Write(wire.Out, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

type archive struct {
	archived
	// canceled ends it; a stream that is written to would too.
	canceled <-chan struct{}
	tar      *tar.Writer
	buffer   *wire.Buf
}

func (a *archive) header(info unix.Stat_t, name string, kind byte) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: int64(info.Mode & allModes), Uid: int(info.Uid), Gid: int(info.Gid),
		ModTime: time.Unix(info.Mtim.Sec, 0),
	}
}

// folder writes an open folder, which it closes, and all that is in it.
func (a *archive) folder(fd int, name string, asked bool) error {
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	if err := a.tar.WriteHeader(a.header(info, name+"/", tar.TypeDir)); err != nil {
		return err
	}
	if !asked && inside.RefuseKernel(fd) != nil {
		// Its place only.
		return nil
	}
	// One buffer for each level that is open, of which there may be two thousand.
	names := inside.ReadNames(fd, 4<<10)
	for {
		piece, err := names.Next()
		if err != nil || len(piece) == 0 {
			return err
		}
		for _, one := range piece {
			if isTemp(one) {
				continue
			}
			whole := name + "/" + one
			if len(whole) > inside.MostPath {
				return invalid("a name in the folder is longer than 4,096 bytes: " + whole[:100] + "…")
			}
			if err := a.entry(fd, one, whole); err != nil {
				return err
			}
		}
	}
}

func (a *archive) entry(folder int, one, whole string) error {
	select {
	case <-a.canceled:
		return wire.ErrCanceled
	default:
	}
	var info unix.Stat_t
	if unix.Fstatat(folder, one, &info, unix.AT_SYMLINK_NOFOLLOW) != nil {
		// Gone meanwhile.
		return nil
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		fd, err := inside.OpenAt(folder, one, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return a.skip(err)
		}
		return a.folder(fd, whole, false)
	case unix.S_IFLNK:
		target, err := inside.ReadLink(folder, one)
		if err != nil {
			return a.skip(err)
		}
		header := a.header(info, whole, tar.TypeSymlink)
		header.Linkname = target
		a.Files++
		return a.tar.WriteHeader(header)
	case unix.S_IFREG:
		return a.below(folder, one, whole)
	}
	a.Skipped++
	return nil
}

// skip leaves out what cannot be read. It is not counted when it has merely gone.
func (a *archive) skip(err error) error {
	if err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOMEM {
		return err
	}
	if err != unix.ENOENT {
		a.Skipped++
	}
	return nil
}

func (a *archive) below(folder int, one, whole string) error {
	fd, info, err := inside.Place{Folder: folder, Name: one}.OpenFile(unix.O_RDONLY)
	if err != nil {
		return a.skip(err)
	}
	defer unix.Close(fd)
	return a.content(fd, info, whole)
}

func (a *archive) file(place inside.Place, name string) error {
	fd, info, err := place.OpenFile(unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return a.content(fd, info, name)
}

func (a *archive) content(fd int, info unix.Stat_t, whole string) error {
	header := a.header(info, strings.TrimSuffix(whole, "/"), tar.TypeReg)
	header.Size = info.Size
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	a.Files++
	cut := false
	for at := int64(0); at < info.Size; {
		piece := a.buffer.Bytes()[:min(info.Size-at, wire.MaxData)]
		n := 0
		if !cut {
			var err error
			if n, err = pread(fd, piece, at); err != nil || n == 0 {
				// The header has promised a size.
				cut = true
				a.Changed++
			}
		}
		if cut {
			clear(piece)
			n = len(piece)
		}
		if _, err := a.tar.Write(piece[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}
