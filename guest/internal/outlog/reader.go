package outlog

import (
	"errors"
	"io"
	"os"
	"time"
)

var (
	// ErrDropped means that the log was dropped.
	ErrDropped = errors.New("the log was dropped")
	// ErrStopped means that the caller wanted no more.
	ErrStopped = errors.New("reading was stopped")
)

// Reader reads a log from an offset on, at its own pace. It belongs to one goroutine and must be closed.
type Reader struct {
	log  *Log
	wake chan struct{}
	// Guarded by the log's lock.
	offset int64
	waits  bool
	// took is when something was last taken, and slept says that we were waited for in vain since.
	took  time.Time
	slept bool
}

// NewReader makes a reader. An offset that is no longer kept becomes the oldest that is; one that is still to come is waited for.
func (l *Log) NewReader(offset int64) *Reader {
	r := &Reader{log: l, wake: make(chan struct{}, 1), offset: offset, took: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers == nil {
		l.readers = make(map[*Reader]struct{})
	}
	l.readers[r] = struct{}{}
	return r
}

// Close lets the log go on without us.
func (r *Reader) Close() {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	delete(r.log.readers, r)
	r.log.wakeAppender()
}

// Next waits for bytes, puts as many as there are and fit into p, and tells the offset of the first. An offset that is not
// where the last call ended is a gap. Errors: io.EOF after the last byte of a log that has ended, ErrDropped, ErrStopped when
// stop was closed. With p empty it only waits.
func (r *Reader) Next(stop <-chan struct{}, p []byte) (n int, at int64, err error) {
	for {
		n, at, err, wait := r.try(p)
		if !wait {
			return n, at, err
		}
		select {
		case <-r.wake:
		case <-stop:
			return 0, at, ErrStopped
		}
	}
}

// Now is Next for what is there already: at its end it gives io.EOF, whether or not more will come.
func (r *Reader) Now(p []byte) (n int, at int64, err error) {
	n, at, err, wait := r.try(p)
	if wait {
		return 0, at, io.EOF
	}
	return n, at, err
}

// try reads without waiting; wait is true when there is nothing yet, and we will then be woken.
func (r *Reader) try(p []byte) (n int, at int64, err error, wait bool) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.dropped {
			return 0, r.offset, ErrDropped, false
		}
		r.offset = max(r.offset, l.start)
		if r.offset >= l.end {
			if l.ended {
				return 0, r.offset, io.EOF, false
			}
			r.waits = true
			return 0, r.offset, nil, true
		}
		if len(p) == 0 {
			return 0, r.offset, nil, false
		}
		piece := p[:min(int64(len(p)), l.end-r.offset)]
		if !r.read(piece) {
			continue
		}
		at = r.offset
		r.offset += int64(len(piece))
		r.took, r.slept = time.Now(), false
		l.wakeAppender()
		return len(piece), at, nil, false
	}
}

// read fills piece from our offset; false when that has to be tried again. A file is read without the lock, so that nobody
// waits for the disk; what was overwritten meanwhile does not count.
func (r *Reader) read(piece []byte) bool {
	l, at := r.log, r.offset
	file, ring := l.file, l.ring
	if file == nil {
		l.fromMemory(piece, at)
		return true
	}
	l.mu.Unlock()
	_, err := readRing(file, piece, at, ring)
	l.mu.Lock()
	if l.file != file || l.ring != ring || l.start > at {
		return false
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		// The disk has lost these bytes. What comes later may be readable.
		r.offset += int64(len(piece))
		return false
	}
	return err == nil
}
