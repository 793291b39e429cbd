package outlog

import (
	"os"

	"golang.org/x/sys/unix"
)

// place is where the bytes of a log lie: in a slice from offset 0 on, in a file, or in a ring in memory. Only the one who
// appends changes from one to another, always with the lock.
type place struct {
	bytes []byte
	file  *os.File
	// ring is the size of the ring that file or bytes is; 0 while bytes is a plain slice.
	ring int64
}

// size is the most bytes that the present place holds.
func (l *Log) size() int64 {
	if l.ring == 0 {
		return int64(l.options.Memory)
	}
	return l.ring
}

// room is how much may be written in one go.
func (l *Log) room() int64 { return max(1, l.size()/2) }

// makePlace leaves the plain slice for a file when n more bytes would be too much for it.
func (l *Log) makePlace(n int) {
	if l.ring != 0 || l.end+int64(n) <= int64(l.options.Memory) {
		return
	}
	if !l.toFile() {
		l.toRing(l.bytes)
	}
}

// toFile moves what is in memory to a new file; false when that failed, and nothing is changed.
func (l *Log) toFile() bool {
	file, err := createNameless(l.folder)
	if err != nil {
		return false
	}
	ring := max(l.options.Cap, l.size())
	held := l.bytes
	if l.ring != 0 {
		held = make([]byte, l.end-l.start)
		readSlice(l.bytes, held, l.start)
	}
	if _, err := writeRing(file, held, l.start, ring); err != nil {
		closeFile(file)
		return false
	}
	l.bytes, l.file, l.ring = nil, file, ring
	return true
}

// toRing moves to a ring in memory, which begins with the newest of the bytes that were held up to end.
func (l *Log) toRing(held []byte) {
	ring := make([]byte, l.options.Fallback)
	held = held[max(0, len(held)-len(ring)):]
	l.start = l.end - int64(len(held))
	writeSlice(ring, held, l.start)
	closeFile(l.file)
	l.bytes, l.file, l.ring = ring, nil, int64(len(ring))
}

// degrade is what follows a failed write to the file. The first time there is no more room, the ring becomes as large as the
// file is by now: its blocks are ours already. What cannot even be overwritten is left for memory.
func (l *Log) degrade() {
	if l.end >= int64(l.options.Fallback) && l.end < l.ring {
		l.ring = l.end
		return
	}
	held := make([]byte, min(l.end-l.start, int64(l.options.Fallback)))
	if _, err := readRing(l.file, held, l.end-int64(len(held)), l.ring); err != nil {
		held = nil
	}
	l.toRing(held)
}

// toMemory writes bytes at an offset that has room.
func (l *Log) toMemory(p []byte, at int64) {
	if l.ring == 0 {
		l.bytes = append(l.bytes, p...)
		return
	}
	writeSlice(l.bytes, p, at)
}

// fromMemory reads the same way.
func (l *Log) fromMemory(p []byte, at int64) {
	if l.ring == 0 {
		copy(p, l.bytes[at:])
		return
	}
	readSlice(l.bytes, p, at)
}

// clip gives back what a finished log in memory has no use for.
func (l *Log) clip() {
	if l.ring == 0 && cap(l.bytes)-len(l.bytes) > 1024 {
		l.bytes = append(make([]byte, 0, len(l.bytes)), l.bytes...)
	}
}

func writeSlice(ring, p []byte, at int64) {
	n := copy(ring[at%int64(len(ring)):], p)
	copy(ring, p[n:])
}

func readSlice(ring, p []byte, at int64) {
	n := copy(p, ring[at%int64(len(ring)):])
	copy(p[n:], ring)
}

func writeRing(file *os.File, p []byte, at, ring int64) (int, error) {
	begin := at % ring
	first := min(int64(len(p)), ring-begin)
	n, err := file.WriteAt(p[:first], begin)
	if err != nil || first == int64(len(p)) {
		return n, err
	}
	rest, err := file.WriteAt(p[first:], 0)
	return n + rest, err
}

func readRing(file *os.File, p []byte, at, ring int64) (int, error) {
	begin := at % ring
	first := min(int64(len(p)), ring-begin)
	n, err := file.ReadAt(p[:first], begin)
	if err != nil || first == int64(len(p)) {
		return n, err
	}
	rest, err := file.ReadAt(p[first:], 0)
	return n + rest, err
}

// createNameless makes a file in the folder that nobody else finds and that is gone with us.
func createNameless(folder string) (*os.File, error) {
	fd, err := unix.Open(folder, unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), folder), nil
	}
	// Not every file system has nameless files; one whose name is taken away at once is the same.
	file, err := os.CreateTemp(folder, "log-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		closeFile(file)
		return nil, err
	}
	return file, nil
}
