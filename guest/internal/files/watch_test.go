package files

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/wire"
)

// watcher reads what a watch tells.
type watcher struct {
	t      *testing.T
	stream *wire.Stream
}

func watching(t *testing.T, conn *wire.Conn, path string, recursive bool) watcher {
	t.Helper()
	w := watcher{t, wiretest.Open(t, conn, "watch", "path", path, "recursive", recursive)}
	if got := w.next(); got.Event != "ready" {
		t.Fatalf("not ready but %+v", got)
	}
	return w
}

func (w watcher) next() change {
	w.t.Helper()
	timer := time.AfterFunc(30*time.Second, w.stream.Drop)
	defer timer.Stop()
	message, err := w.stream.Recv()
	if err != nil {
		w.t.Fatal("nothing more is told: ", err)
	}
	var got change
	must(w.t, json.Unmarshal(message.Data, &got))
	return got
}

// until collects what is told up to a change.
func (w watcher) until(kind, path string) []string {
	w.t.Helper()
	var told []string
	for {
		got := w.next()
		told = append(told, strings.TrimSpace(got.Kind+" "+got.Path))
		if got.Kind == kind && got.Path == path {
			return told
		}
	}
}

func (w watcher) end() {
	w.t.Helper()
	w.stream.Cancel()
	if a := wiretest.Finish(w.t, w.stream); a.Err != nil || a.End == nil {
		w.t.Errorf("a watch ends with %v", a.Err)
	}
}

func TestAWatchTellsWhatChangesInOrder(t *testing.T) {
	root, conn := place(t, map[string]string{"d/old": "", "d/gone": "", "d/sub/f": "", "other/f": ""})
	d := filepath.Join(root, "d")
	w := watching(t, conn, "/d", false)
	must(t, os.WriteFile(filepath.Join(d, "new"), []byte("1"), 0o644))
	must(t, os.Remove(filepath.Join(d, "gone")))
	must(t, os.WriteFile(filepath.Join(d, "sub/f"), []byte("unseen"), 0o644))
	must(t, os.Rename(filepath.Join(d, "old"), filepath.Join(d, "renamed")))
	must(t, os.Rename(filepath.Join(d, "renamed"), filepath.Join(root, "away")))
	must(t, os.Rename(filepath.Join(root, "other/f"), filepath.Join(d, "come")))
	must(t, os.WriteFile(filepath.Join(d, "end"), nil, 0o644))
	want := []string{
		"created /d/new", "removed /d/gone", "removed /d/old", "moved /d/renamed", "removed /d/renamed", "created /d/come", "created /d/end",
	}
	if got := w.until("created", "/d/end"); !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	must(t, os.Chmod(filepath.Join(d, "end"), 0o600))
	w.until("modified", "/d/end")
	w.end()
}

func TestARecursiveWatchSeesNewFoldersAndThoseThatMove(t *testing.T) {
	root, conn := place(t, map[string]string{"a/b/c/f": "", "elsewhere/x/y": "", "link": "-> elsewhere"})
	w := watching(t, conn, "/", true)
	must(t, os.MkdirAll(filepath.Join(root, "n/e/w"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "n/e/w/f"), nil, 0o644))
	w.until("created", "/n/e/w/f")
	must(t, os.WriteFile(filepath.Join(root, "n/e/w/f"), []byte("x"), 0o644))
	w.until("modified", "/n/e/w/f")
	must(t, os.Rename(filepath.Join(root, "a/b"), filepath.Join(root, "n/moved")))
	w.until("moved", "/n/moved")
	must(t, os.WriteFile(filepath.Join(root, "n/moved/c/f"), []byte("x"), 0o644))
	w.until("modified", "/n/moved/c/f")
	must(t, os.RemoveAll(filepath.Join(root, "n")))
	w.until("removed", "/n")
	must(t, os.MkdirAll(filepath.Join(root, "n"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "n/again"), nil, 0o644))
	w.until("created", "/n/again")
	w.end()
}

func TestAWatchedFileMayBeReplaced(t *testing.T) {
	root, conn := place(t, map[string]string{"d/f": "1", "d/g": "", "l": "-> d/f"})
	for _, path := range []string{"/d/f", "/l"} {
		w := watching(t, conn, path, true)
		must(t, os.WriteFile(filepath.Join(root, "d/g"), []byte("unseen"), 0o644))
		must(t, wiretest.Send(t, conn, []byte("2"), "write", "path", "/d/f").Err)
		if got := w.until("created", path); len(got) != 1 {
			t.Errorf("%q", got)
		}
		must(t, os.WriteFile(filepath.Join(root, "d/f"), []byte("3"), 0o644))
		w.until("modified", path)
		must(t, os.Rename(filepath.Join(root, "d/f"), filepath.Join(root, "d/f2")))
		w.until("removed", path)
		must(t, os.Rename(filepath.Join(root, "d/f2"), filepath.Join(root, "d/f")))
		w.until("created", path)
		w.end()
	}
}

func TestTheEndOfTheWatchedFolderIsTold(t *testing.T) {
	root, conn := place(t, map[string]string{"d/sub/": "", "e/": ""})
	w := watching(t, conn, "/d", true)
	must(t, os.RemoveAll(filepath.Join(root, "d")))
	w.until("removed", "/d")
	w.end()
	w = watching(t, conn, "/e", true)
	must(t, os.Rename(filepath.Join(root, "e"), filepath.Join(root, "f")))
	w.until("removed", "/e")
	w.end()
}

func TestNoFolderIsMissedWhileManyAreMade(t *testing.T) {
	root, conn := place(t, nil)
	w := watching(t, conn, "/", true)
	const folders, depth = 60, 5
	go func() {
		for i := range folders {
			_ = os.MkdirAll(filepath.Join(root, strconv.Itoa(i), strings.Repeat("s/", depth)), 0o755)
			_ = os.WriteFile(filepath.Join(root, strconv.Itoa(i), strings.Repeat("s/", depth), "f"), nil, 0o644)
		}
	}()
	missing := make(map[string]bool)
	for i := range folders {
		missing["/"+strconv.Itoa(i)+strings.Repeat("/s", depth)+"/f"] = true
	}
	for len(missing) > 0 {
		if got := w.next(); got.Kind == "created" {
			delete(missing, got.Path)
		}
	}
	w.end()
}

func TestAReaderThatStopsIsToldThatChangesWereLost(t *testing.T) {
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Skip("the kernel does not say how many changes it keeps")
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	if err != nil || most > 100_000 {
		t.Skip("the kernel keeps too many changes to lose one")
	}
	root, conn := place(t, nil)
	w := watching(t, conn, "/", true)
	name := filepath.Join(root, strings.Repeat("n", 200))
	must(t, os.WriteFile(name, nil, 0o644))
	// Two changes each, that cannot be told as one.
	for range most/2 + 5000 {
		must(t, os.Rename(name, name+"-"))
		must(t, os.Rename(name+"-", name))
	}
	must(t, os.Mkdir(filepath.Join(root, "while-lost"), 0o755))
	for w.next().Event != "overflow" {
	}
	must(t, os.WriteFile(filepath.Join(root, "while-lost/f"), nil, 0o644))
	for got := w.next(); got.Path != "/while-lost/f"; got = w.next() {
	}
	w.end()
}

func TestAWatchEndsWithItsConnection(t *testing.T) {
	_, conn := place(t, nil)
	before := openDescriptors(t)
	w := watching(t, conn, "/", true)
	w.stream.Drop()
	conn.Close()
	eventually(t, "its descriptors are closed", func() bool { return openDescriptors(t) <= before })
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}
