package files

import (
	"errors"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

const (
	// settle is how long changes are collected: what one program does to one file in that time is told once.
	settle = 10 * time.Millisecond
	// mostCollected bounds what is collected before it is told.
	mostCollected = 4096
	// mostFolders is how many folders one watch has; the kernel keeps about a kibibyte for each.
	mostFolders = 65536
)

const watched = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW | unix.IN_EXCL_UNLINK

var errTooMany = &wire.ErrorBody{Code: "no_space", Message: "more folders than can be watched: watch a smaller one, " +
	"or let the host's administrator raise fs.inotify.max_user_watches", Errno: int(unix.ENOSPC)}

func (f files) watch(stream *wire.Stream, r request) (any, error) {
	w, err := f.newWatch(stream, r)
	if err != nil {
		return nil, err
	}
	defer w.close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-stream.Canceled():
			// Wakes up the read.
			_ = w.inotify.SetReadDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	if err = stream.Event(map[string]string{"event": "ready"}); err == nil {
		err = w.run()
	}
	if stream.WasCanceled() {
		return nothing{}, nil
	}
	return nil, err
}

// watch tells what changes in a folder, or of one name in it.
type watch struct {
	stream  *wire.Stream
	inotify *os.File
	fd      int
	// base is the folder that is watched, open; top is its node.
	base int
	top  *node
	// above is the number of the folder above, where the end of the base shows: our own descriptor keeps the kernel from telling.
	// baseName is its name there.
	above    int32
	baseName string
	// path is how the caller named the base. only is the one name that counts; empty for all.
	path, only string
	recursive  bool
	nodes      map[int32]*node
	changes    changes
	buffer     []byte
}

func (f files) newWatch(stream *wire.Stream, r request) (*watch, error) {
	w := &watch{
		stream: stream, path: path.Clean(r.Path), recursive: r.Recursive, nodes: make(map[int32]*node), buffer: make([]byte, 32<<10),
	}
	place, err := f.root.Place(r.Path, true)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	pin, info, err := place.Pin()
	if err != nil {
		return nil, err
	}
	w.base = pin
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		// Its folder is watched: whoever replaces a file makes another one.
		_ = unix.Close(pin)
		w.recursive, w.only = false, place.Name
		if w.base, err = inside.OpenAt(place.Folder, ".", unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
			return nil, err
		}
	}
	if w.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		_ = unix.Close(w.base)
		if err == unix.EMFILE {
			return nil, errTooMany
		}
		return nil, err
	}
	w.inotify = os.NewFile(uintptr(w.fd), "inotify")
	w.top = &node{}
	if err := w.begin(place); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *watch) begin(place inside.Place) error {
	if w.only == "" && place.Name != "" {
		// First, because both are the same folder's number if somebody makes it so, and the base counts.
		w.baseName = place.Name
		wd, err := w.addWatch(place.Folder, unix.IN_DELETE|unix.IN_MOVED_FROM)
		if err != nil && passOver(err) != nil {
			return err
		}
		w.above = wd
	}
	if err := w.add(w.base, w.top); err != nil {
		return err
	}
	if !w.recursive {
		return nil
	}
	return w.scan(w.top, false)
}

func (w *watch) close() {
	_ = w.inotify.Close()
	_ = unix.Close(w.base)
}

// run tells changes until the stream is canceled.
func (w *watch) run() error {
	for {
		if err := w.collect(); err != nil {
			return err
		}
		w.changes.settleMoves(w)
		for _, one := range w.changes.take() {
			if err := w.stream.Event(one); err != nil {
				return err
			}
		}
	}
}

// collect waits for a change and takes those that come soon after.
func (w *watch) collect() error {
	var noLimit time.Time
	if err := w.read(noLimit); err != nil {
		return err
	}
	limit := time.Now().Add(settle)
	for len(w.changes.list) < mostCollected {
		if err := w.read(limit); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return err
		}
	}
	return nil
}

// read waits for events, to a moment at the latest.
func (w *watch) read(until time.Time) error {
	if err := w.inotify.SetReadDeadline(until); err != nil {
		return err
	}
	select {
	case <-w.stream.Canceled():
		// Its deadline may have been before ours.
		return wire.ErrCanceled
	default:
	}
	n, err := w.inotify.Read(w.buffer)
	if err != nil {
		return err
	}
	return eachEvent(w.buffer[:n], w.take)
}

func (w *watch) take(event inotifyEvent) error {
	if event.mask&unix.IN_Q_OVERFLOW != 0 {
		w.changes.overflow()
		if w.recursive {
			// New folders may be among what was lost.
			return w.scan(w.top, false)
		}
		return nil
	}
	at := w.nodes[event.wd]
	switch {
	case event.mask&unix.IN_IGNORED != 0:
		delete(w.nodes, event.wd)
		return nil
	case at == nil:
		if event.wd == w.above && event.name == w.baseName {
			// Whatever bears its paths from now on is another folder.
			w.changes.add(w, "removed", w.path)
			w.forget(w.top)
		}
		return nil
	}
	if event.name == "" || isTemp(event.name) && event.mask&(unix.IN_MOVED_FROM|unix.IN_MOVED_TO) == 0 {
		return nil
	}
	if w.only != "" && event.name != w.only && event.mask&(unix.IN_MOVED_FROM|unix.IN_MOVED_TO) == 0 {
		return nil
	}
	return w.inFolder(at, event)
}

func (w *watch) inFolder(at *node, event inotifyEvent) error {
	isFolder := event.mask&unix.IN_ISDIR != 0
	switch {
	case event.mask&unix.IN_CREATE != 0:
		w.changes.add(w, "created", w.pathOf(at, event.name))
		if isFolder {
			return w.enter(at, event.name)
		}
	case event.mask&unix.IN_DELETE != 0:
		w.changes.add(w, "removed", w.pathOf(at, event.name))
		delete(at.children, event.name)
	case event.mask&unix.IN_MOVED_FROM != 0:
		w.movedFrom(at, event)
	case event.mask&unix.IN_MOVED_TO != 0:
		return w.movedTo(at, event)
	default:
		w.changes.add(w, "modified", w.pathOf(at, event.name))
	}
	return nil
}

func (w *watch) movedFrom(at *node, event inotifyEvent) {
	if w.counts(event.name) {
		w.changes.add(w, "removed", w.pathOf(at, event.name))
	}
	w.changes.moves = append(w.changes.moves, move{event.cookie, event.name, at.children[event.name]})
	delete(at.children, event.name)
}

func (w *watch) movedTo(at *node, event inotifyEvent) error {
	from, wasHere := w.changes.takeMove(event.cookie)
	if w.counts(event.name) {
		kind := "created"
		if wasHere && w.counts(from.name) {
			kind = "moved"
		}
		w.changes.add(w, kind, w.pathOf(at, event.name))
	}
	switch {
	case from.child != nil && isTemp(event.name):
		w.forget(from.child)
	case from.child != nil:
		from.child.parent, from.child.name = at, event.name
		at.adopt(from.child)
	case event.mask&unix.IN_ISDIR != 0:
		return w.enter(at, event.name)
	}
	return nil
}

// counts tells whether changes of that name are told.
func (w *watch) counts(name string) bool {
	return !isTemp(name) && (w.only == "" || name == w.only)
}
