// Package outlog keeps what a command writes, so that whoever comes, also later and also again, can read it from any offset.
//
// A Log is one channel of one command. Little output stays in memory; more goes to a file that has no name, used as a ring: when
// the log is as large as it may be, new bytes take the place of the oldest. Offsets count from the first byte that the command
// wrote. Nothing that goes wrong with the disk stops the command: the ring becomes smaller, or moves to memory.
package outlog

import (
	"os"
	"sync"
	"time"
)

// Options bound a log. A field that is 0 gets its default.
type Options struct {
	// Cap is the most bytes that are kept. Default: 256 MiB.
	Cap int64
	// Memory is the most bytes that are kept without a file. Default: 64 KiB.
	Memory int
	// Fallback is the size of the ring in memory that takes the place of a file that cannot be written. Default: 1 MiB.
	Fallback int
	// Patience is how long the oldest bytes are kept for a reader that takes nothing, once there is no room. Default: 2 s.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Cap <= 0 {
		o.Cap = 256 << 20
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 10
	}
	if o.Fallback <= 0 {
		o.Fallback = 1 << 20
	}
	if o.Patience <= 0 {
		o.Patience = 2 * time.Second
	}
	o.Memory = int(min(int64(o.Memory), o.Cap))
	o.Fallback = int(min(int64(o.Fallback), o.Cap))
	return o
}

// Log is the log of one channel. One goroutine appends; any number read. It costs nothing but its memory.
type Log struct {
	folder  string
	options Options

	mu sync.Mutex
	// start and end bound what is kept. Before anything is overwritten, start moves past it.
	start, end int64
	ended      bool
	dropped    bool
	readers    map[*Reader]struct{}
	// moved wakes the one who appends when a reader it waits for has taken something or is gone.
	moved chan struct{}
	place
}

// New makes an empty log, whose file will be in the folder.
func New(folder string, options Options) *Log {
	return &Log{folder: folder, options: options.withDefaults(), moved: make(chan struct{}, 1)}
}

// Append adds bytes. It waits only where a reader would lose bytes that it is about to take: see Options.Patience.
func (l *Log) Append(p []byte) {
	for len(p) > 0 {
		l.mu.Lock()
		if l.dropped || l.ended {
			l.mu.Unlock()
			return
		}
		l.makePlace(len(p))
		piece := p[:min(int64(len(p)), l.room())]
		l.vacate(int64(len(piece)))
		if l.dropped {
			l.mu.Unlock()
			return
		}
		file, at := l.file, l.end
		if file == nil {
			l.toMemory(piece, at)
			l.grow(len(piece))
			l.mu.Unlock()
		} else {
			ring := l.ring
			l.mu.Unlock()
			// Readers may read meanwhile: what is written here is in nobody's range.
			n, err := writeRing(file, piece, at, ring)
			piece = piece[:n]
			l.mu.Lock()
			l.grow(n)
			if err != nil && l.file == file {
				l.degrade()
			}
			l.mu.Unlock()
		}
		p = p[len(piece):]
	}
}

// vacate takes the oldest bytes out of the range, so that n more have room; first it waits for those who still want them.
// It is called with the lock, which it lets go of while it waits.
func (l *Log) vacate(n int64) {
	for {
		start := l.end + n - l.size()
		if start <= l.start {
			return
		}
		wait := l.patienceWith(start)
		if wait <= 0 || l.dropped {
			l.start = start
			return
		}
		l.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-l.moved:
		case <-timer.C:
		}
		timer.Stop()
		l.mu.Lock()
	}
}

// patienceWith tells how long to wait for the readers that have not come as far as start. One that takes nothing is waited
// for once, and again only after it has taken something.
func (l *Log) patienceWith(start int64) time.Duration {
	var longest time.Duration
	for r := range l.readers {
		if r.offset >= start || r.slept {
			continue
		}
		left := l.options.Patience - time.Since(r.took)
		r.slept = left <= 0
		longest = max(longest, left)
	}
	return longest
}

// grow makes n bytes visible and wakes those who wait for them.
func (l *Log) grow(n int) {
	l.end += int64(n)
	l.wakeReaders()
}

func (l *Log) wakeReaders() {
	for r := range l.readers {
		if r.waits {
			r.waits, r.took, r.slept = false, time.Now(), false
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
	}
}

// End says that no more will come: readers find the end.
func (l *Log) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.clip()
	l.wakeReaders()
}

// Range is what is kept: from the first offset to the one after the last.
func (l *Log) Range() (start, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.end
}

// InMemory is how many bytes of memory the log holds on to.
func (l *Log) InMemory() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cap(l.bytes)
}

// Release gives the memory back: what an ended log has there moves to a file or, when that cannot be, is forgotten.
func (l *Log) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended || l.dropped || cap(l.bytes) == 0 {
		return
	}
	if !l.toFile() {
		l.start, l.bytes = l.end, nil
	}
}

// Drop forgets everything; readers get ErrDropped. It may be called again.
func (l *Log) Drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = true
	l.bytes = nil
	closeFile(l.file)
	l.file = nil
	l.wakeReaders()
	l.wakeAppender()
}

func (l *Log) wakeAppender() {
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

// closeFile gives the file's room back: it has no name, so that nothing else does, not even our being killed.
func closeFile(file *os.File) {
	if file != nil {
		_ = file.Close()
	}
}
