package outlog

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A limit on the size of files holds for a whole process, so a copy of this program fills the disk.
func TestMain(m *testing.M) {
	if limit := os.Getenv("OUTLOG_TEST_LIMIT"); limit != "" {
		os.Exit(fillLimited(limit, os.Getenv("OUTLOG_TEST_FOLDER")))
	}
	os.Exit(m.Run())
}

const (
	fullFallback = 10_000
	piece        = 4567
)

// fillLimited writes more than files may hold and prints what is left.
func fillLimited(limit, folder string) int {
	signal.Ignore(syscall.SIGXFSZ)
	var bytes uint64
	if _, err := fmt.Sscan(limit, &bytes); err != nil {
		return 2
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		return 3
	}
	return fillAndTell(New(folder, Options{Cap: 1 << 20, Memory: 100, Fallback: fullFallback}))
}

func fillAndTell(l *Log) int {
	const size = 3 << 20
	fill(l, 0, size, piece)
	l.End()
	start, end := l.Range()
	r := l.NewReader(0)
	defer r.Close()
	buffer := make([]byte, 3000)
	for at := start; ; {
		n, from, err := r.Next(forever, buffer)
		if err != nil {
			fmt.Println(end-start, end == size && at == end, l.file != nil)
			return 0
		}
		for i, b := range buffer[:n] {
			if b != pattern(from+int64(i)) || from != at {
				return 4
			}
		}
		at += int64(n)
	}
}

func TestAFileThatMayNotGrowBecomesASmallerRing(t *testing.T) {
	// Not a multiple of what is written at once; whether the last piece is cut or refused is the file system's business.
	var kept int
	var whole, inFile bool
	got := limited(t, "54321")
	if _, err := fmt.Sscan(got, &kept, &whole, &inFile); err != nil {
		t.Fatal(err)
	}
	if kept > 54_321 || kept < 54_321-piece || !whole || !inFile {
		t.Fatalf("left: %s", got)
	}
}

func TestAFileThatHoldsNearlyNothingGivesWayToMemory(t *testing.T) {
	for _, limit := range []string{"0", "50", "5000"} {
		if got := limited(t, limit); got != "10000 true false" {
			t.Errorf("with %s bytes, left: %s", limit, got)
		}
	}
}

func limited(t *testing.T, limit string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), "OUTLOG_TEST_LIMIT="+limit, "OUTLOG_TEST_FOLDER="+t.TempDir())
	text, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return strings.TrimSpace(string(text))
}

func TestAFullDiskStopsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk; the limit on files is tested instead")
	}
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("no file system can be mounted here: " + err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l := New(disk, Options{Cap: 1 << 20, Memory: 100})
	fill(l, 0, 3<<20, 5000)
	l.End()
	start, end := l.Range()
	if end != 3<<20 || end-start < 100<<10 {
		t.Fatalf("kept %d to %d", start, end)
	}
	if first, got, skipped := readToEnd(t, l.NewReader(0)); first != start || got != end-start || skipped != 0 {
		t.Fatalf("read %d bytes from %d, %d skipped", got, first, skipped)
	}
	l.Drop()
	var room unix.Statfs_t
	if err := unix.Statfs(disk, &room); err != nil || room.Bfree != room.Blocks {
		t.Fatalf("%d of %d blocks are free, %v", room.Bfree, room.Blocks, err)
	}
}

func TestAFolderThatIsNotThereMeansMemory(t *testing.T) {
	l := New("/nonexistent", Options{Cap: 1 << 20, Memory: 100, Fallback: 1000})
	fill(l, 0, 10_000, 300)
	l.End()
	if first, got, _ := readToEnd(t, l.NewReader(0)); first != 9000 || got != 1000 {
		t.Fatalf("%d bytes from %d", got, first)
	}
}

func TestAFileSystemWithoutNamelessFilesServesToo(t *testing.T) {
	// The proc file system has none; it also has no others, so that both ways fail and nothing else happens.
	if _, err := createNameless("/proc"); err == nil {
		t.Fatal("a file in /proc")
	}
}
