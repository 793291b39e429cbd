package files

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/wire"
)

// place is a root with files, and a connection to their operations.
func place(t testing.TB, files map[string]string) (string, *wire.Conn) {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		whole := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(whole), 0o755))
		target, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(whole, 0o755))
		case isLink:
			must(t, os.Symlink(target, whole))
		default:
			must(t, os.WriteFile(whole, []byte(content), 0o644))
		}
	}
	return root, wiretest.Serve(t, Below(inside.At(root)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type entries struct {
	Entries []entry `json:"entries"`
	Entry   entry   `json:"entry"`
}

func TestStatTellsWhatIsThereAndFollowsUnlessAskedNotTo(t *testing.T) {
	root, conn := place(t, map[string]string{"a/file": "hello", "link": "-> a/file", "up": "-> ../../../../a", "dangling": "-> nowhere"})
	must(t, unix.Chmod(filepath.Join(root, "a/file"), 0o4751))
	for _, c := range []struct {
		path, kind string
		follow     bool
		size       float64
	}{
		{"/a/file", "file", true, 5}, {"/link", "file", true, 5}, {"/link", "symlink", false, 6},
		{"/up/file", "file", true, 5}, {"/a/../a//./file", "file", true, 5}, {"/../../a/file", "file", true, 5},
		{"/a/", "dir", true, 0}, {"/", "dir", true, 0}, {"/up/", "dir", true, 0}, {"/a/..", "dir", true, 0},
	} {
		a := wiretest.Must(t, conn, "stat", "path", c.path, "follow", c.follow)
		e := a.End["entry"].(map[string]any)
		if e["type"] != c.kind || c.kind != "dir" && e["size"] != c.size {
			t.Errorf("%s: %v", c.path, e)
		}
	}
	e := wiretest.Must(t, conn, "stat", "path", "/link", "follow", false).End["entry"].(map[string]any)
	if e["target"] != "a/file" || e["name"] != "link" || e["path"] != "/link" {
		t.Errorf("symlink: %v", e)
	}
	e = wiretest.Must(t, conn, "stat", "path", "/a/file").End["entry"].(map[string]any)
	if e["mode"] != float64(0o4751) || e["uid"] != float64(os.Getuid()) || e["mtime_ms"].(float64) < 1e12 {
		t.Errorf("file: %v", e)
	}
}

func TestWrongRequestsAreRefusedWithTheirCode(t *testing.T) {
	root, conn := place(t, map[string]string{
		"file": "x", "dir/a": "y", "loop": "-> loop", "dangling": "-> nowhere", "todir": "-> dir",
	})
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o666))
	for _, c := range []struct {
		code, op string
		members  []any
	}{
		{"not_found", "stat", []any{"path", "/none"}},
		{"not_found", "stat", []any{"path", "/dangling"}},
		{"not_found", "read", []any{"path", "/none/below"}},
		{"not_a_directory", "stat", []any{"path", "/file/below"}},
		{"not_a_directory", "stat", []any{"path", "/file/"}},
		{"not_a_directory", "list", []any{"path", "/file"}},
		{"invalid", "stat", []any{"path", "relative"}},
		{"invalid", "stat", []any{"path", ""}},
		{"invalid", "stat", []any{}},
		{"invalid", "stat", []any{"path", 7}},
		{"invalid", "stat", []any{"path", "/a\x00b"}},
		{"invalid", "stat", []any{"path", "/" + strings.Repeat("a/", 2048)}},
		{"invalid", "stat", []any{"path", "/" + strings.Repeat("a", 300)}},
		{"invalid", "stat", []any{"path", "/loop"}},
		{"invalid", "stat", []any{"path", "/loop/x"}},
		{"invalid", "read", []any{"path", "/file", "offset", -1}},
		{"invalid", "read", []any{"path", "/file", "length", -1}},
		{"invalid", "read", []any{"path", "/file", "length", 1.5}},
		{"is_a_directory", "read", []any{"path", "/dir"}},
		{"unsupported", "read", []any{"path", "/fifo"}},
		{"invalid", "chmod", []any{"path", "/file"}},
		{"invalid", "chmod", []any{"path", "/file", "mode", 0o10000}},
		{"invalid", "chmod", []any{"path", "/file", "mode", -1}},
		{"exists", "mkdir", []any{"path", "/dir"}},
		{"exists", "mkdir", []any{"path", "/"}},
		{"exists", "mkdir", []any{"path", "/dangling"}},
		{"exists", "mkdir", []any{"path", "/file", "parents", true}},
		{"not_a_directory", "mkdir", []any{"path", "/file/a/b", "parents", true}},
		{"not_found", "mkdir", []any{"path", "/x/y"}},
		{"not_found", "move", []any{"path", "/none", "to", "/other"}},
		{"invalid", "move", []any{"path", "/file", "to", "other"}},
		{"invalid", "move", []any{"path", "/file", "to", "/"}},
		{"invalid", "move", []any{"path", "/dir", "to", "/dir/below"}},
		{"exists", "move", []any{"path", "/file", "to", "/dir/a", "overwrite", false}},
		{"is_a_directory", "move", []any{"path", "/file", "to", "/dir"}},
		{"not_empty", "remove", []any{"path", "/dir"}},
		{"invalid", "remove", []any{"path", "/", "recursive", true}},
		{"invalid", "remove", []any{"path", "/dir/..", "recursive", true}},
		{"not_a_directory", "remove", []any{"path", "/todir/", "recursive", true}},
		{"not_found", "remove", []any{"path", "/none", "recursive", true}},
		{"unsupported", "tar_out", []any{"path", "/fifo"}},
		{"not_found", "watch", []any{"path", "/none"}},
	} {
		if got := wiretest.Ask(t, conn, c.op, c.members...).Code(); got != c.code {
			t.Errorf("%s %v: %q, want %q", c.op, c.members, got, c.code)
		}
	}
	for _, c := range [][3]string{
		{"is_a_directory", "write", "/dir"}, {"is_a_directory", "write", "/"}, {"not_found", "write", "/x/y"},
		{"unsupported", "write", "/fifo"}, {"not_a_directory", "write", "/file/x"}, {"not_a_directory", "tar_in", "/file"},
		{"invalid", "write", "/loop"},
	} {
		if got := wiretest.Send(t, conn, []byte("data"), c[1], "path", c[2]).Code(); got != c[0] {
			t.Errorf("%s %s: %q, want %q", c[1], c[2], got, c[0])
		}
	}
	if got := wiretest.Send(t, conn, []byte("x"), "write", "path", "/fifo", "offset", 0).Code(); got != "unsupported" {
		t.Errorf("write into a FIFO: %q", got)
	}
}

func TestWhatLiesOnAKernelFileSystemIsForbidden(t *testing.T) {
	conn := wiretest.Serve(t, Operations())
	for _, path := range []string{
		"/proc", "/proc/self/environ", "/proc/self/root/etc/passwd", "/proc/self/cwd", "/proc/1/fd/0", "/sys/kernel", "/proc/self/exe",
		"/dev/fd/0", "/etc/../proc/version",
	} {
		for _, op := range []string{"stat", "list", "read", "tar_out", "watch", "remove", "chmod", "write", "mkdir"} {
			a := wiretest.Send(t, conn, nil, op, "path", path, "mode", 0o644, "recursive", true)
			if path == "/proc" && (op == "remove" || op == "write" || op == "mkdir") && a.Err != nil {
				// Said of the name in the root.
				continue
			}
			if a.Code() != "path_forbidden" && !(op == "mkdir" && a.Code() == "exists") {
				t.Errorf("%s %s: %q", op, path, a.Code())
			}
		}
	}
	for _, path := range []string{"/dev/null", "/dev/zero"} {
		for _, op := range []string{"read", "write", "tar_out"} {
			if got := wiretest.Send(t, conn, nil, op, "path", path).Code(); got != "unsupported" {
				t.Errorf("%s %s: %q", op, path, got)
			}
		}
	}
}

func TestAListIsSortedAndComesInPieces(t *testing.T) {
	files := map[string]string{"d/link": "-> x<&>", "d/sub/": "", "d/sub/not-listed": ""}
	for i := range 600 {
		files[fmt.Sprintf("d/%s-%d", strings.Repeat("<", 20), i)] = ""
	}
	_, conn := place(t, files)
	a := wiretest.Must(t, conn, "list", "path", "/d")
	var names []string
	for _, event := range a.Events {
		var part entries
		must(t, json.Unmarshal(event, &part))
		for _, e := range part.Entries {
			names = append(names, e.Name)
			if e.Path != "/d/"+e.Name {
				t.Fatal(e)
			}
		}
	}
	if len(names) != 602 || len(a.Events) < 2 || !sort.StringsAreSorted(names) {
		t.Fatalf("%d names in %d pieces, sorted %v", len(names), len(a.Events), sort.StringsAreSorted(names))
	}
	if got := wiretest.Must(t, conn, "list", "path", "/d/sub/.."); len(got.Events) == 0 {
		t.Error("nothing listed")
	}
}

func TestTheLongestNamesFitInAnEvent(t *testing.T) {
	root, conn := place(t, nil)
	name := strings.Repeat("\x01", 255)
	folder := strings.Repeat("/"+name, 15)
	must(t, os.MkdirAll(root+folder[:256*3], 0o755))
	wiretest.Must(t, conn, "mkdir", "path", folder, "parents", true)
	fd, err := inside.At(root).Folder(folder)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Symlinkat(strings.Repeat("\x02", 4095), fd, name))
	must(t, unix.Mkdirat(fd, "way-too-long"+name[:240], 0o755))
	wiretest.Must(t, conn, "list", "path", folder)
	wiretest.Must(t, conn, "remove", "path", "/"+name, "recursive", true)
}

func TestFoldersAndModesAreMadeAsAsked(t *testing.T) {
	root, conn := place(t, map[string]string{"link": "-> real", "real/": "", "f": ""})
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	for _, c := range []struct {
		path    string
		members []any
		mode    os.FileMode
	}{
		{"/a", nil, 0o755}, {"/b", []any{"mode", 0o777}, 0o777}, {"/c", []any{"mode", 0o500}, 0o500},
		{"/d/e/f", []any{"parents", true, "mode", 0o700}, 0o700}, {"/d/e", []any{"parents", true, "mode", 0o700}, 0o755},
		{"/link/below", nil, 0o755}, {"/a/", []any{"parents", true}, 0o755}, {"/link/x/../y", nil, 0},
		{"//link///z/", nil, 0o755},
	} {
		a := wiretest.Ask(t, conn, "mkdir", append([]any{"path", c.path}, c.members...)...)
		if c.mode == 0 {
			if a.Code() != "not_found" {
				t.Errorf("%s: %v", c.path, a.Err)
			}
			continue
		}
		info, err := os.Stat(filepath.Join(root, c.path))
		if a.Err != nil || err != nil || info.Mode().Perm() != c.mode {
			t.Errorf("%s: %v %v %v", c.path, a.Err, err, info)
		}
	}
	wiretest.Must(t, conn, "chmod", "path", "/f", "mode", 0)
	wiretest.Must(t, conn, "chmod", "path", "/link", "mode", 0o711)
	for name, mode := range map[string]os.FileMode{"f": 0, "real": 0o711} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestMoveReplacesAndMovesSymlinksThemselves(t *testing.T) {
	root, conn := place(t, map[string]string{"a": "A", "b": "B", "d/x": "X", "l": "-> a", "e/": ""})
	wiretest.Must(t, conn, "move", "path", "/a", "to", "/b")
	wiretest.Must(t, conn, "move", "path", "/d", "to", "/e", "overwrite", true)
	wiretest.Must(t, conn, "move", "path", "/l", "to", "/e/l", "overwrite", false)
	if got, want := filetest.Names(t, root), []string{"b", "e", "e/l", "e/x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	if got := filetest.Read(t, filepath.Join(root, "b")); got != "A" {
		t.Errorf("%q", got)
	}
}

func TestSocketsAreNeverOpened(t *testing.T) {
	root, conn := place(t, nil)
	listener, err := net.Listen("unix", filepath.Join(root, "s"))
	must(t, err)
	defer listener.Close()
	if got := wiretest.Ask(t, conn, "read", "path", "/s").Code(); got != "unsupported" {
		t.Error(got)
	}
	wiretest.Must(t, conn, "stat", "path", "/s")
}
