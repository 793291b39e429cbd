package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/filetest"
)

func TestRemoveTakesWholeTreesAndNoSymlinksTarget(t *testing.T) {
	root, conn := place(t, map[string]string{
		"d/a/b/c/f": "", "d/a/link": "-> ../../keep", "d/abs": "-> /keep", "keep/f": "", "l": "-> keep", "d/closed/f": "", "f": "",
		"d/closed/sub/f": "", "empty/": "",
	})
	must(t, unix.Mkfifo(filepath.Join(root, "d/fifo"), 0o600))
	filetest.Chmod(t, filepath.Join(root, "d/closed/sub"), 0o555)
	filetest.Chmod(t, filepath.Join(root, "d/closed"), 0)
	filetest.Chmod(t, filepath.Join(root, "d/a"), 0o500)
	wiretest.Must(t, conn, "remove", "path", "/d", "recursive", true)
	wiretest.Must(t, conn, "remove", "path", "/l", "recursive", true)
	wiretest.Must(t, conn, "remove", "path", "/f")
	wiretest.Must(t, conn, "remove", "path", "/empty/")
	if got := fmt.Sprint(filetest.Names(t, root)); got != "[keep keep/f]" {
		t.Error(got)
	}
}

// TestModesAreNoObstacleForTheirOwner runs as an ordinary user also when the tests run as root, who would pass every mode.
func TestModesAreNoObstacleForTheirOwner(t *testing.T) {
	root := t.TempDir()
	must(t, os.Chmod(root, 0o777))
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o777))
	}
	filetest.AsStranger(func() {
		for _, name := range []string{"d/closed/sub/deep", "d/shut"} {
			if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
				t.Error(err)
				return
			}
		}
		for _, name := range []string{"d/closed/f", "d/closed/sub/f", "d/closed/sub/deep/f"} {
			if err := os.WriteFile(filepath.Join(root, name), nil, 0); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"d/closed/sub/deep", "d/closed/sub", "d/closed", "d/shut"} {
			if err := os.Chmod(filepath.Join(root, name), 0); err != nil {
				t.Error(err)
			}
		}
		fd, err := inside.At(root).Folder("/")
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		r := removal{canceled: make(chan struct{}), top: -1, owner: owner()}
		if err := r.folder(fd, "d", 0); err != nil {
			t.Error(err)
		}
	})
	if got := filetest.Names(t, root); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// owner is whom files belong to that this thread makes.
func owner() int {
	uid, _ := unix.SetfsuidRetUid(-1)
	return uid
}

func TestRemoveGoesAsDeepAsATreeIs(t *testing.T) {
	root, conn := place(t, nil)
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 3000 {
		must(t, unix.Mkdirat(fd, "deep", 0o755))
		next, err := unix.Openat(fd, "deep", unix.O_PATH|unix.O_DIRECTORY, 0)
		must(t, err)
		must(t, unix.Close(fd))
		fd = next
	}
	must(t, unix.Close(fd))
	wiretest.Must(t, conn, "remove", "path", "/deep", "recursive", true)
	if names, err := os.ReadDir(root); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
}

func TestRemoveCopesWithOthersWhoMakeAndRemove(t *testing.T) {
	root, conn := place(t, nil)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for worker := range 2 {
		busy.Add(1)
		go func() {
			defer busy.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := filepath.Join(root, "d", strconv.Itoa(worker), strconv.Itoa(i%7))
				if i%3 == 0 {
					_ = os.RemoveAll(filepath.Dir(name))
				} else if i < 5000 {
					_ = os.MkdirAll(name, 0o755)
					_ = os.WriteFile(filepath.Join(name, "f"), nil, 0o644)
				}
			}
		}()
	}
	for range 200 {
		if code := wiretest.Ask(t, conn, "remove", "path", "/d", "recursive", true).Code(); code != "" && code != "not_found" && code != "not_empty" {
			t.Error(code)
		}
	}
	close(stop)
	busy.Wait()
	if code := wiretest.Ask(t, conn, "remove", "path", "/d", "recursive", true).Code(); code != "" && code != "not_found" {
		t.Error(code)
	}
}

func TestRemoveThatIsCanceledStops(t *testing.T) {
	files := make(map[string]string)
	for i := range 3000 {
		files["d/"+strconv.Itoa(i)] = ""
	}
	_, conn := place(t, files)
	stream := wiretest.Open(t, conn, "remove", "path", "/d", "recursive", true)
	stream.Cancel()
	if a := wiretest.Finish(t, stream); a.Code() != "io" && a.Code() != "" {
		t.Error(a.Err)
	}
}
