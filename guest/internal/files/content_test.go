package files

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/wire"
)

func TestReadSendsTheRangeThatWasAsked(t *testing.T) {
	content := make([]byte, 3<<20+123)
	_, _ = rand.New(rand.NewSource(1)).Read(content)
	root, conn := place(t, map[string]string{"empty": ""})
	must(t, os.WriteFile(filepath.Join(root, "f"), content, 0o640))
	size := int64(len(content))
	for _, c := range [][2]int64{{0, -1}, {0, 0}, {5, 10}, {size - 3, 100}, {size, 1}, {size + 100, -1}, {1 << 20, 1 << 20}, {1<<63 - 1, 1<<63 - 1}} {
		members := []any{"path", "/f", "offset", c[0]}
		want := content[min(c[0], size):]
		if c[1] >= 0 {
			members = append(members, "length", c[1])
			want = want[:min(int64(len(want)), c[1])]
		}
		a := wiretest.Must(t, conn, "read", members...)
		if !bytes.Equal(a.Data, want) || a.End["size"] != float64(len(want)) || len(a.Events) != 1 {
			t.Errorf("%v: %d bytes, %v", c, len(a.Data), a.End)
		}
	}
	a := wiretest.Must(t, conn, "read", "path", "/empty")
	var meta entries
	must(t, json.Unmarshal(a.Events[0], &meta))
	if len(a.Data) != 0 || meta.Entry.Path != "/empty" || meta.Entry.Type != "file" {
		t.Error(a)
	}
}

func TestReadEndsWithAFileThatGrowsAndWithOneThatIsCutOff(t *testing.T) {
	root, conn := place(t, nil)
	name := filepath.Join(root, "f")
	must(t, os.WriteFile(name, make([]byte, 8<<20), 0o644))
	stream := wiretest.Open(t, conn, "read", "path", "/f")
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	must(t, os.Truncate(name, 9<<20))
	if a := wiretest.Finish(t, stream); a.Err != nil || len(a.Data) != 8<<20 {
		t.Errorf("grown: %d bytes, %v", len(a.Data), a.Err)
	}
	stream = wiretest.Open(t, conn, "read", "path", "/f")
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	must(t, os.Truncate(name, 1<<20))
	a := wiretest.Finish(t, stream)
	if a.Err != nil || len(a.Data) > 3<<20 || a.End["size"] != float64(len(a.Data)) {
		t.Errorf("cut off: %d bytes, %v %v", len(a.Data), a.End, a.Err)
	}
}

func TestWriteReplacesAFileAtOnce(t *testing.T) {
	root, conn := place(t, map[string]string{"old": "before", "link": "-> sub/target", "sub/target": "t", "away": "-> sub/new"})
	must(t, os.Chmod(filepath.Join(root, "old"), 0o751))
	open, err := os.Open(filepath.Join(root, "old"))
	must(t, err)
	defer open.Close()
	a := wiretest.Send(t, conn, bytes.Repeat([]byte("after"), 100_000), "write", "path", "/old")
	if a.Err != nil || a.End["size"] != 500_000.0 {
		t.Fatal(a.End, a.Err)
	}
	before := make([]byte, 100)
	if n, _ := open.Read(before); string(before[:n]) != "before" {
		t.Error("whoever has the old file open sees the new")
	}
	for _, c := range []struct {
		path, real string
		members    []any
		mode       os.FileMode
	}{
		{"/old", "old", nil, 0o751},
		{"/new", "new", nil, 0o644},
		{"/mode", "mode", []any{"mode", 0o600}, 0o600},
		{"/open", "open", []any{"mode", 0o666}, 0o666},
		{"/p/q/r", "p/q/r", []any{"parents", true}, 0o644},
		{"/link", "sub/target", nil, 0o644},
		{"/away", "sub/new", nil, 0o644},
		{"/offset", "offset", []any{"offset", 0, "mode", 0o640}, 0o640},
	} {
		a := wiretest.Send(t, conn, []byte("content"), "write", append([]any{"path", c.path}, c.members...)...)
		if a.Err != nil {
			t.Errorf("%s: %v", c.path, a.Err)
			continue
		}
		info, err := os.Lstat(filepath.Join(root, c.real))
		must(t, err)
		if got, _ := os.ReadFile(filepath.Join(root, c.real)); string(got) != "content" || info.Mode() != c.mode {
			t.Errorf("%s: %q, %v", c.path, got, info.Mode())
		}
	}
	noTemps(t, root)
}

func noTemps(t testing.TB, root string) {
	t.Helper()
	must(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if isTemp(filepath.Base(path)) {
			t.Errorf("left behind: %s", path)
		}
		return err
	}))
}

func TestWriteAtAnOffsetChangesTheFileItself(t *testing.T) {
	root, conn := place(t, map[string]string{"f": "0123456789"})
	before, err := os.Stat(filepath.Join(root, "f"))
	must(t, err)
	for _, c := range []struct {
		offset int
		want   string
	}{{2, "01ab456789"}, {10, "01ab456789ab"}, {14, "01ab456789ab\x00\x00ab"}} {
		if a := wiretest.Send(t, conn, []byte("ab"), "write", "path", "/f", "offset", c.offset); a.Err != nil {
			t.Fatal(a.Err)
		}
		if got := filetest.Read(t, filepath.Join(root, "f")); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	after, err := os.Stat(filepath.Join(root, "f"))
	if err != nil || !os.SameFile(before, after) {
		t.Error("it is another file now")
	}
}

func TestAWriteThatIsCanceledOrLostLeavesTheOldFileAndNothingElse(t *testing.T) {
	root, conn := place(t, map[string]string{"f": "old"})
	stream := wiretest.Open(t, conn, "write", "path", "/f")
	must(t, stream.Write(wire.In, make([]byte, 1<<20)))
	stream.Cancel()
	if a := wiretest.Finish(t, stream); a.Err == nil {
		t.Error("a canceled write succeeded")
	}
	stream = wiretest.Open(t, conn, "write", "path", "/f")
	must(t, stream.Write(wire.In, make([]byte, 1<<20)))
	conn.Close()
	eventually(t, "the temporary file is gone", func() bool { return len(filetest.Names(t, root)) == 1 })
	if got := filetest.Read(t, filepath.Join(root, "f")); got != "old" {
		t.Errorf("%q", got)
	}
}

// eventually waits for what other processes or goroutines do in their own time.
func eventually(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !isSo(); {
		if time.Now().After(limit) {
			t.Fatal("never: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestADownloadThatIsCanceledEnds(t *testing.T) {
	root, conn := place(t, nil)
	must(t, os.WriteFile(filepath.Join(root, "f"), nil, 0o644))
	must(t, os.Truncate(filepath.Join(root, "f"), 1<<40))
	for _, op := range []string{"read", "tar_out"} {
		stream := wiretest.Open(t, conn, op, "path", "/f")
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		stream.Cancel()
		if a := wiretest.Finish(t, stream); a.Code() != "io" {
			t.Errorf("%s: %v", op, a.Err)
		}
	}
}
