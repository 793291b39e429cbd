package files

import (
	"encoding/json"
	"path"
	"sort"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

const (
	// mostSorted is how many names are kept to be sorted. A larger folder comes in pieces that are sorted each.
	mostSorted = 65536
	// mostBatch is the length of the JSON of one event, in bytes. The longest entry takes 53,000: six for each byte of its name, its
	// path and its target.
	mostBatch = 60000
	// readPiece is how much of a folder is read at once, in bytes.
	readPiece = 32 << 10
)

func (f files) list(stream *wire.Stream, r request) (any, error) {
	folder, err := f.openFolder(r.Path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(folder)
	l := listing{stream: stream, folder: folder, path: path.Clean(r.Path)}
	return nothing{}, l.all()
}

// openFolder opens a folder so that its names can be read.
func (f files) openFolder(where string) (int, error) {
	place, err := f.root.Place(where, true)
	if err != nil {
		return -1, err
	}
	defer place.Close()
	pin, info, err := place.Pin()
	if err != nil {
		return -1, err
	}
	defer unix.Close(pin)
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		return -1, unix.ENOTDIR
	}
	return inside.OpenAt(pin, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

type listing struct {
	stream *wire.Stream
	folder int
	path   string
	// batch is the JSON of the event that grows.
	batch []byte
}

func (l *listing) all() error {
	names := inside.ReadNames(l.folder, readPiece)
	var waiting []string
	for {
		piece, err := names.Next()
		if err != nil {
			return err
		}
		if len(piece) == 0 || len(waiting) >= mostSorted {
			if err := l.send(waiting); err != nil {
				return err
			}
			waiting = waiting[:0]
		}
		if len(piece) == 0 {
			return l.flush()
		}
		waiting = append(waiting, piece...)
	}
}

func (l *listing) send(names []string) error {
	sort.Strings(names)
	for _, name := range names {
		where := path.Join(l.path, name)
		if len(where) > inside.MostPath {
			// No operation could be asked for it.
			continue
		}
		var info unix.Stat_t
		if unix.Fstatat(l.folder, name, &info, unix.AT_SYMLINK_NOFOLLOW) != nil {
			// Gone meanwhile.
			continue
		}
		e := entryOf(where, info)
		e.read(l.folder, name)
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := l.add(text); err != nil {
			return err
		}
	}
	return nil
}

const batchBegin, batchEnd = `{"event":"entries","entries":[`, `]}`

func (l *listing) add(text []byte) error {
	if len(l.batch)+1+len(text)+len(batchEnd) > mostBatch {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if len(l.batch) == 0 {
		l.batch = append(l.batch, batchBegin...)
	} else {
		l.batch = append(l.batch, ',')
	}
	l.batch = append(l.batch, text...)
	return nil
}

func (l *listing) flush() error {
	if len(l.batch) == 0 {
		return nil
	}
	l.batch = append(l.batch, batchEnd...)
	err := l.stream.Event(json.RawMessage(l.batch))
	l.batch = l.batch[:0]
	return err
}
