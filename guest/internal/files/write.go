package files

import (
	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

const usualFile = 0o644

func (f files) write(stream *wire.Stream, r request) (any, error) {
	if r.Parents {
		if err := f.parents(r.Path); err != nil {
			return nil, err
		}
	}
	place, err := f.root.Place(r.Path, true)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	if place.Name == "" {
		return nil, unix.EISDIR
	}
	var size int64
	if r.Offset == nil {
		size, err = replace(stream, place, r)
	} else {
		size, err = amend(stream, place, r)
	}
	return map[string]int64{"size": size}, err
}

// replace writes a new file, which takes the place of the old one when it is complete.
func replace(stream *wire.Stream, place inside.Place, r request) (int64, error) {
	mode := r.mode(usualFile)
	pin, info, err := place.Pin()
	exists := err == nil
	if exists {
		_ = unix.Close(pin)
		if err := inside.Regular(info); err != nil {
			return 0, err
		}
		if r.Mode == nil {
			// New content does not inherit what the old one was trusted to do.
			mode = info.Mode & 0o1777
		}
	} else if err != unix.ENOENT {
		return 0, err
	}
	file, err := newTemp(place.Folder)
	if err != nil {
		return 0, err
	}
	defer file.close()
	if exists {
		// Only root can give a file away; another's that we replace becomes ours.
		_ = unix.Fchown(file.fd, int(info.Uid), int(info.Gid))
	}
	size, err := receive(stream, file.fd, 0)
	if err != nil {
		return size, err
	}
	return size, file.become(place.Name, mode)
}

// amend writes into the file itself.
func amend(stream *wire.Stream, place inside.Place, r request) (int64, error) {
	fd, _, err := place.OpenFile(unix.O_WRONLY)
	isNew := err == unix.ENOENT
	if isNew {
		fd, err = inside.OpenAt(place.Folder, place.Name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	}
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if isNew || r.Mode != nil {
		if err := unix.Fchmod(fd, r.mode(usualFile)); err != nil {
			return 0, err
		}
	}
	return receive(stream, fd, *r.Offset)
}

// receive writes what comes on the stream up to its EOF.
func receive(stream *wire.Stream, fd int, at int64) (int64, error) {
	begin := at
	for {
		message, err := stream.Recv()
		if err != nil {
			return at - begin, err
		}
		switch message.Kind {
		case wire.EOFType:
			return at - begin, nil
		case wire.DataType:
			if err := pwrite(fd, message.Data, at); err != nil {
				return at - begin, err
			}
			at += int64(len(message.Data))
		}
	}
}
