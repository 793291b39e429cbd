package outlog

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"sync"
	"testing"
	"time"
)

// pattern is a byte that only its offset decides, so that a byte in the wrong place shows.
func pattern(offset int64) byte { return byte(offset*31 + offset>>8*7 + offset>>16*3) }

func patterned(from, n int64) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = pattern(from + int64(i))
	}
	return p
}

// checked fails the test for a byte that is not what was written at its offset.
func checked(t *testing.T, at int64, p []byte) {
	t.Helper()
	if !bytes.Equal(p, patterned(at, int64(len(p)))) {
		t.Fatalf("%d bytes at %d are not what was written there", len(p), at)
	}
}

// forever is for readers that nobody stops.
var forever = make(chan struct{})

// readToEnd reads what comes up to the end of the log and tells where it began, how much it was, and how much was skipped.
func readToEnd(t *testing.T, r *Reader) (first, got, skipped int64) {
	t.Helper()
	defer r.Close()
	buffer := make([]byte, 64<<10)
	next := int64(-1)
	for {
		n, at, err := r.Next(forever, buffer)
		if errors.Is(err, io.EOF) {
			return first, got, skipped
		}
		if err != nil {
			t.Fatal(err)
		}
		if next < 0 {
			first, next = at, at
		}
		if at < next {
			t.Fatalf("read %d after %d", at, next)
		}
		skipped += at - next
		checked(t, at, buffer[:n])
		got += int64(n)
		next = at + int64(n)
	}
}

func fill(l *Log, from, n, piece int64) {
	for at := from; at < from+n; at += piece {
		l.Append(patterned(at, min(piece, from+n-at)))
	}
}

func TestWhatIsAppendedIsReadFromAnyOffset(t *testing.T) {
	for name, size := range map[string]int64{"in memory": 5000, "in a file": 1 << 20, "of nothing": 0} {
		l := New(t.TempDir(), Options{})
		fill(l, 0, size, 777)
		l.End()
		for _, offset := range []int64{0, 1, size / 2, size - 1, size} {
			if offset < 0 || offset > size {
				continue
			}
			_, got, skipped := readToEnd(t, l.NewReader(offset))
			if got != size-offset || skipped != 0 {
				t.Errorf("%s, from %d: %d bytes, %d skipped", name, offset, got, skipped)
			}
		}
		l.Drop()
	}
}

func TestLittleOutputNeverTouchesTheDisk(t *testing.T) {
	l := New("/nonexistent", Options{})
	fill(l, 0, 64<<10, 1000)
	if l.file != nil || l.ring != 0 {
		t.Fatal("the log left the memory")
	}
	l.End()
	if _, got, _ := readToEnd(t, l.NewReader(0)); got != 64<<10 {
		t.Fatalf("read %d bytes", got)
	}
}

func TestAFinishedLogHoldsNoMoreMemoryThanItHasBytes(t *testing.T) {
	l := New(t.TempDir(), Options{})
	fill(l, 0, 33<<10, 1<<10)
	l.End()
	if held := l.InMemory(); held > 34<<10 {
		t.Fatalf("holds %d bytes", held)
	}
}

func TestAReaderWaitsForWhatIsToCome(t *testing.T) {
	l := New(t.TempDir(), Options{})
	r := l.NewReader(3)
	defer r.Close()
	if _, _, err := r.Now(make([]byte, 8)); err != io.EOF {
		t.Fatalf("before anything came: %v", err)
	}
	go func() {
		l.Append([]byte("ab"))
		l.Append([]byte("cde"))
	}()
	buffer := make([]byte, 8)
	n, at, err := r.Next(forever, buffer)
	if err != nil || at != 3 || string(buffer[:n]) != "de" {
		t.Fatalf("read %q at %d, %v", buffer[:n], at, err)
	}
	go l.End()
	if _, _, err := r.Next(forever, nil); err != io.EOF {
		t.Fatalf("at the end: %v", err)
	}
}

func TestAWaitingReaderIsStopped(t *testing.T) {
	l := New(t.TempDir(), Options{})
	r := l.NewReader(0)
	defer r.Close()
	stop := make(chan struct{})
	go close(stop)
	if _, _, err := r.Next(stop, make([]byte, 1)); err != ErrStopped {
		t.Fatalf("error = %v", err)
	}
}

func TestTheOldestBytesMakeRoomAndTheGapShows(t *testing.T) {
	for name, o := range map[string]Options{
		"in memory": {Cap: 1000},
		"in a file": {Cap: 1000, Memory: 10},
	} {
		l := New(t.TempDir(), o)
		fill(l, 0, 2345, 100)
		l.End()
		if start, end := l.Range(); start != 1345 || end != 2345 {
			t.Errorf("%s: kept %d to %d", name, start, end)
		}
		for offset, want := range map[int64]int64{0: 1345, 1344: 1345, 1345: 1345, 2000: 2000} {
			first, got, _ := readToEnd(t, l.NewReader(offset))
			if first != want || got != 2345-want {
				t.Errorf("%s, from %d: %d bytes from %d", name, offset, got, first)
			}
		}
	}
}

func TestAReaderThatHasStoppedIsWaitedForOnce(t *testing.T) {
	l := New(t.TempDir(), Options{Cap: 1000, Memory: 10, Patience: time.Millisecond})
	r := l.NewReader(0)
	defer r.Close()
	fill(l, 0, 100_000, 100)
	if !r.slept {
		t.Fatal("the reader was never waited for")
	}
	buffer := make([]byte, 10)
	n, at, err := r.Next(forever, buffer)
	if err != nil || at != 99_000 {
		t.Fatalf("%d bytes at %d, %v", n, at, err)
	}
	checked(t, at, buffer[:n])
	if r.slept {
		t.Fatal("a reader that reads again is not waited for")
	}
}

func TestAReaderThatReadsLosesNothingBecauseTheCommandIsFaster(t *testing.T) {
	l := New(t.TempDir(), Options{Cap: 10_000, Memory: 10, Patience: time.Minute})
	const size = 1 << 20
	r := l.NewReader(0)
	go func() {
		fill(l, 0, size, 3000)
		l.End()
	}()
	if _, got, skipped := readToEnd(t, r); got != size || skipped != 0 {
		t.Fatalf("%d bytes, %d skipped", got, skipped)
	}
}

func TestAReaderThatLeavesHoldsNobodyUp(t *testing.T) {
	l := New(t.TempDir(), Options{Cap: 1000, Memory: 10, Patience: time.Hour})
	r := l.NewReader(0)
	done := make(chan struct{})
	go func() {
		fill(l, 0, 5000, 100)
		close(done)
	}()
	// The writer is held up at the cap.
	for _, end := l.Range(); end < 1000; _, end = l.Range() {
		select {
		case <-done:
			t.Fatal("nobody waited for the reader")
		default:
		}
	}
	r.Close()
	<-done
}

func TestADroppedLogEndsItsReadersAndTakesNoMore(t *testing.T) {
	for name, o := range map[string]Options{
		"in memory": {},
		"in a file": {Cap: 1000, Memory: 1},
		"in a ring": {Cap: 1000, Memory: 1, Fallback: 100},
	} {
		folder := t.TempDir()
		if name == "in a ring" {
			folder = "/nonexistent"
		}
		l := New(folder, o)
		fill(l, 0, 50, 7)
		r := l.NewReader(50)
		go l.Drop()
		if _, _, err := r.Next(forever, make([]byte, 1)); err != ErrDropped {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
		fill(l, 50, 5000, 7)
		l.Release()
		l.Drop()
		if l.InMemory() != 0 || l.file != nil {
			t.Errorf("%s: something is left", name)
		}
	}
}

func TestDroppingFreesAWriterThatWaits(t *testing.T) {
	l := New(t.TempDir(), Options{Cap: 1000, Memory: 1, Patience: time.Hour})
	r := l.NewReader(0)
	defer r.Close()
	done := make(chan struct{})
	go func() {
		fill(l, 0, 5000, 100)
		close(done)
	}()
	for _, end := l.Range(); end < 1000; _, end = l.Range() {
	}
	l.Drop()
	<-done
}

func TestReleaseMovesAFinishedLogOutOfMemory(t *testing.T) {
	l := New(t.TempDir(), Options{})
	fill(l, 0, 9000, 100)
	l.Release()
	if l.InMemory() == 0 {
		t.Fatal("a log that goes on was released")
	}
	l.End()
	l.Release()
	if l.InMemory() != 0 {
		t.Fatal("memory is left")
	}
	if _, got, skipped := readToEnd(t, l.NewReader(0)); got != 9000 || skipped != 0 {
		t.Fatalf("%d bytes, %d skipped", got, skipped)
	}
}

func TestReleaseWithoutADiskForgetsTheBytesAndKeepsTheirNumber(t *testing.T) {
	l := New("/nonexistent", Options{})
	fill(l, 0, 9000, 100)
	l.End()
	l.Release()
	if start, end := l.Range(); l.InMemory() != 0 || start != 9000 || end != 9000 {
		t.Fatalf("%d bytes in memory, kept %d to %d", l.InMemory(), start, end)
	}
	if _, got, _ := readToEnd(t, l.NewReader(0)); got != 0 {
		t.Fatalf("read %d bytes", got)
	}
}

func TestNothingIsLeftInTheFolder(t *testing.T) {
	folder := t.TempDir()
	l := New(folder, Options{Memory: 10})
	fill(l, 0, 100_000, 5000)
	if names, err := os.ReadDir(folder); err != nil || len(names) != 0 {
		t.Fatalf("%v, %v", names, err)
	}
	l.End()
	if _, got, _ := readToEnd(t, l.NewReader(0)); got != 100_000 {
		t.Fatalf("read %d bytes", got)
	}
}

func TestManyReadersAndAWriterAtOnce(t *testing.T) {
	for round, o := range []Options{
		{Cap: 5000, Memory: 100, Patience: time.Microsecond},
		{Cap: 1 << 20, Memory: 100, Patience: time.Microsecond},
		{Cap: 300_000, Memory: 300_000, Patience: time.Microsecond},
	} {
		l := New(t.TempDir(), o)
		const size = 600_000
		var readers sync.WaitGroup
		for i := range 8 {
			r := l.NewReader(int64(i) * 1000)
			readers.Add(1)
			go func() {
				defer readers.Done()
				first, got, skipped := readToEnd(t, r)
				if first+got+skipped != size {
					t.Errorf("round %d: %d + %d + %d", round, first, got, skipped)
				}
			}()
		}
		source := rand.New(rand.NewSource(int64(round)))
		for at := int64(0); at < size; {
			n := min(1+source.Int63n(9000), size-at)
			l.Append(patterned(at, n))
			at += n
		}
		l.End()
		readers.Wait()
	}
}

// FuzzLog compares a log with a slice that holds everything.
func FuzzLog(f *testing.F) {
	f.Add(uint16(100), uint16(10), []byte{1, 200, 3, 0, 255, 7})
	f.Add(uint16(1), uint16(1), []byte{9, 9, 9})
	f.Fuzz(func(t *testing.T, limit, memory uint16, steps []byte) {
		l := New(t.TempDir(), Options{Cap: int64(limit), Memory: int(memory), Patience: 1})
		defer l.Drop()
		size := l.options.Cap
		r := l.NewReader(0)
		defer r.Close()
		end, next := int64(0), int64(0)
		buffer := make([]byte, 64)
		for _, step := range steps {
			if step%2 == 0 {
				l.Append(patterned(end, int64(step)*3))
				end += int64(step) * 3
			} else {
				n, at, err := r.Now(buffer[:step%64])
				if err != nil && err != io.EOF {
					t.Fatal(err)
				}
				if at != max(next, min(end-size, at)) {
					t.Fatalf("at %d after %d", at, next)
				}
				checked(t, at, buffer[:n])
				next = at + int64(n)
			}
			start, has := l.Range()
			if has != end || end-start > size || (start > 0 && l.file == nil && l.ring == 0) {
				t.Fatalf("kept %d to %d of %d", start, has, end)
			}
		}
	})
}

func BenchmarkAppendAndRead(b *testing.B) {
	l := New(b.TempDir(), Options{})
	piece := make([]byte, 64<<10)
	b.SetBytes(int64(len(piece)))
	r := l.NewReader(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 64<<10)
		for {
			if _, _, err := r.Next(forever, buffer); err != nil {
				return
			}
		}
	}()
	for range b.N {
		l.Append(piece)
	}
	l.End()
	<-done
	r.Close()
	l.Drop()
}

func BenchmarkAppend(b *testing.B) {
	l := New(b.TempDir(), Options{})
	piece := make([]byte, 64<<10)
	b.SetBytes(int64(len(piece)))
	for range b.N {
		l.Append(piece)
	}
	l.Drop()
}
