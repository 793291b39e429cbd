package files

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/wire"
)

// unpackHere reads an archive into names with what they are.
func unpackHere(t testing.TB, archive []byte) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if err == io.EOF {
			return found
		}
		must(t, err)
		content, err := io.ReadAll(r)
		must(t, err)
		found[header.Name] = fmt.Sprintf("%c %o %s%s", header.Typeflag, header.Mode, header.Linkname, content)
	}
}

func TestTarOutHasEverythingThatIsFilesUnderTheLastName(t *testing.T) {
	long := strings.Repeat("long/", 60) + strings.Repeat("n", 200)
	root, conn := place(t, map[string]string{
		"p/dir/f": "content", "p/dir/sub/x": "", "p/dir/link": "-> ../away", "p/dir/empty/": "", "p/dir/" + long: "far", "p/dir/ü": "u",
		"to": "-> p/dir/sub",
	})
	must(t, unix.Chmod(filepath.Join(root, "p/dir/f"), 0o4750))
	must(t, os.Link(filepath.Join(root, "p/dir/f"), filepath.Join(root, "p/dir/hard")))
	must(t, unix.Mkfifo(filepath.Join(root, "p/dir/fifo"), 0o600))
	must(t, os.WriteFile(filepath.Join(root, "p/dir/no\xfftext"), nil, 0o600))
	a := wiretest.Must(t, conn, "tar_out", "path", "/p/dir/")
	got := unpackHere(t, a.Data)
	for name, want := range map[string]string{
		"dir/": "5 755 ", "dir/f": "0 4750 content", "dir/hard": "0 4750 content", "dir/sub/x": "0 644 ", "dir/link": "2 777 ../away",
		"dir/empty/": "5 755 ", "dir/" + long: "0 644 far", "dir/ü": "0 644 u", "dir/no\xfftext": "0 600 ",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if a.End["files"] != 7.0 || a.End["skipped"] != 1.0 {
		t.Error(a.End)
	}
	for path, first := range map[string]string{
		"/": "./", "/p/..": "./", "/p/dir/.": "dir/", "/to": "to/", "/p/dir/f": "f", "/p/dir/link/../dir/sub": "", "//p//": "p/",
	} {
		a := wiretest.Ask(t, conn, "tar_out", "path", path)
		if first == "" {
			if a.Code() != "not_found" {
				t.Errorf("%s: %v", path, a.Err)
			}
			continue
		}
		header, err := tar.NewReader(bytes.NewReader(a.Data)).Next()
		if a.Err != nil || err != nil || header.Name != first {
			t.Errorf("%s: %v %v %v", path, a.Err, err, header)
		}
	}
}

func TestAFileThatIsCutOffWhileItIsArchivedIsPadded(t *testing.T) {
	root, conn := place(t, nil)
	name := filepath.Join(root, "f")
	must(t, os.WriteFile(name, bytes.Repeat([]byte("x"), 8<<20), 0o644))
	must(t, os.WriteFile(filepath.Join(root, "g"), []byte("g"), 0o644))
	stream := wiretest.Open(t, conn, "tar_out", "path", "/")
	var begin []byte
	// Two headers, and the file is open.
	for len(begin) <= 1024 {
		message, err := stream.Recv()
		must(t, err)
		begin = append(begin, message.Data...)
	}
	must(t, os.Truncate(name, 0))
	a := wiretest.Finish(t, stream)
	must(t, a.Err)
	got := unpackHere(t, append(begin, a.Data...))
	if len(got["./f"]) != 8<<20+len("0 644 ") || got["./g"] != "0 644 g" {
		t.Errorf("%d bytes, g is %q", len(got["./f"]), got["./g"])
	}
	if a.End["changed"] != 1.0 || !strings.HasSuffix(got["./f"], "\x00") {
		t.Error(a.End)
	}
}

func TestTarInMakesMergesAndReplaces(t *testing.T) {
	root, conn := place(t, map[string]string{"t/old": "old", "t/dir/kept": "kept", "t/l": "-> old", "t/swap": "-> /elsewhere"})
	filetest.Chmod(t, filepath.Join(root, "t/dir"), 0o711)
	open, err := os.Open(filepath.Join(root, "t/old"))
	must(t, err)
	defer open.Close()
	a := wiretest.Send(t, conn, archiveOf(t,
		tarEntry{name: "./", kind: tar.TypeDir, mode: 0o700},
		tarEntry{name: "./old", content: "new", mode: 0o6755},
		tarEntry{name: "dir/", kind: tar.TypeDir, mode: 0o777},
		tarEntry{name: "dir/f", content: "f"},
		tarEntry{name: "made/on/the/way", content: "w"},
		tarEntry{name: "readonly/", kind: tar.TypeDir, mode: 0o555},
		tarEntry{name: "readonly/f", content: "r", mode: 0o444},
		tarEntry{name: "l", kind: tar.TypeSymlink, link: "../../../../etc/passwd"},
		tarEntry{name: "hard", kind: tar.TypeLink, link: "./old"},
		tarEntry{name: "hard", kind: tar.TypeLink, link: "old"},
		tarEntry{name: "swap", content: "a file now"},
	), "tar_in", "path", "/t")
	must(t, a.Err)
	if a.End["files"] != 8.0 || a.End["size"] != float64(3+1+1+1+10) {
		t.Error(a.End)
	}
	for name, want := range map[string]string{
		"old": "-rwxr-xr-x new", "dir": "drwx--x--x", "dir/kept": "-rw-r--r-- kept", "dir/f": "-rw-r--r-- f", "made/on/the": "drwxr-xr-x",
		"made/on/the/way": "-rw-r--r-- w", "readonly": "dr-xr-xr-x", "readonly/f": "-r--r--r-- r", "hard": "-rwxr-xr-x new",
		"swap": "-rw-r--r-- a file now",
	} {
		whole := filepath.Join(root, "t", name)
		info, err := os.Lstat(whole)
		must(t, err)
		got := info.Mode().String()
		if info.Mode().IsRegular() {
			got += " " + filetest.Read(t, whole)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if target, _ := os.Readlink(filepath.Join(root, "t/l")); target != "../../../../etc/passwd" {
		t.Error(target)
	}
	before := make([]byte, 10)
	if n, _ := open.Read(before); string(before[:n]) != "old" {
		t.Error("whoever has the old file open sees the new")
	}
	noTemps(t, root)
	// So that whoever removes it can.
	filetest.Chmod(t, filepath.Join(root, "t/readonly"), 0o755)
}

func TestTarInRefusesWhatLeadsOutOrIsNoFile(t *testing.T) {
	for _, c := range []struct {
		code  string
		entry tarEntry
	}{
		{"path_forbidden", tarEntry{name: "/etc/passwd", content: "x"}},
		{"path_forbidden", tarEntry{name: "../x", content: "x"}},
		{"path_forbidden", tarEntry{name: "a/../../x", content: "x"}},
		{"path_forbidden", tarEntry{name: "a/..", kind: tar.TypeDir}},
		{"path_forbidden", tarEntry{name: "link/x", content: "x"}},
		{"path_forbidden", tarEntry{name: "link/sub/x", kind: tar.TypeDir}},
		{"path_forbidden", tarEntry{name: "link", kind: tar.TypeDir}},
		{"path_forbidden", tarEntry{name: "h", kind: tar.TypeLink, link: "../outside/f"}},
		{"path_forbidden", tarEntry{name: "h", kind: tar.TypeLink, link: "/outside/f"}},
		{"not_a_directory", tarEntry{name: "h", kind: tar.TypeLink, link: "link/f"}},
		{"invalid", tarEntry{name: "h", kind: tar.TypeLink, link: "link"}},
		{"is_a_directory", tarEntry{name: "h", kind: tar.TypeLink, link: "dir"}},
		{"not_found", tarEntry{name: "h", kind: tar.TypeLink, link: "none"}},
		{"unsupported", tarEntry{name: "dev", kind: tar.TypeBlock}},
		{"unsupported", tarEntry{name: "dev", kind: tar.TypeChar}},
		{"unsupported", tarEntry{name: "dev", kind: tar.TypeFifo}},
		{"not_a_directory", tarEntry{name: "first/x", content: "x"}},
		{"is_a_directory", tarEntry{name: "dir", content: "x"}},
		{"is_a_directory", tarEntry{name: "dir", kind: tar.TypeSymlink, link: "x"}},
		{"invalid", tarEntry{name: strings.Repeat("n/", 2050) + "n", content: "x"}},
		{"invalid", tarEntry{name: strings.Repeat("n", 300), content: "x"}},
	} {
		root, conn := place(t, map[string]string{"outside/f": "before", "t/link": "-> ../outside", "t/dir/": ""})
		before := snapshot(t, filepath.Join(root, "outside"))
		a := wiretest.Send(t, conn, archiveOf(t, tarEntry{name: "first", content: "1"}, c.entry), "tar_in", "path", "/t")
		if a.Code() != c.code {
			t.Errorf("%+v: %v, want %s", c.entry, a.Err, c.code)
		}
		if after := snapshot(t, filepath.Join(root, "outside")); after != before {
			t.Errorf("%+v changed the outside", c.entry)
		}
		if got := filetest.Read(t, filepath.Join(root, "t/first")); got != "1" {
			t.Error("what was unpacked is gone")
		}
		noTemps(t, root)
	}
}

func TestABrokenArchiveIsSaidToBe(t *testing.T) {
	whole := archiveOf(t, tarEntry{name: "a", content: strings.Repeat("a", 100_000)}, tarEntry{name: "b", content: "b"})
	sparse := bytes.Clone(whole)
	for _, c := range []struct {
		what    string
		archive []byte
		code    string
	}{
		{"in a header", whole[:100], "invalid"}, {"in content", whole[:50_000], "invalid"}, {"between files", whole[:512+100_352], "invalid"},
		{"no archive", bytes.Repeat([]byte("nonsense"), 1000), "invalid"}, {"nothing", nil, ""}, {"more behind it", append(sparse, make([]byte, 1<<20)...), ""},
	} {
		root, conn := place(t, nil)
		a := wiretest.Send(t, conn, c.archive, "tar_in", "path", "/new/folder")
		if a.Code() != c.code || c.code != "" && !strings.Contains(a.Err.Error(), "archive is broken") {
			t.Errorf("cut off %s: %v", c.what, a.Err)
		}
		noTemps(t, root)
	}
}

func TestFilesWithHolesAreRefused(t *testing.T) {
	// A header of the old GNU form: one block of archive that claims to be a tebibyte.
	header := make([]byte, 512)
	copy(header, "bomb")
	copy(header[100:], "0000644\x00")
	copy(header[124:], "00000000000\x00")
	copy(header[136:], "00000000000\x00")
	header[156] = 'S'
	copy(header[257:], "ustar  \x00")
	copy(header[483:], "17777777777\x00")
	copy(header[148:], "        ")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	root, conn := place(t, nil)
	a := wiretest.Send(t, conn, append(header, make([]byte, 1024)...), "tar_in", "path", "/")
	if a.Code() != "unsupported" {
		t.Error(a.Err)
	}
	if got := filetest.Names(t, root); len(got) > 0 {
		t.Error(got)
	}
}

func TestAnUploadThatIsLostKeepsWhatIsComplete(t *testing.T) {
	root, conn := place(t, nil)
	whole := archiveOf(t, tarEntry{name: "a", content: "a"}, tarEntry{name: "b", content: strings.Repeat("b", 1<<20)})
	stream := wiretest.Open(t, conn, "tar_in", "path", "/t")
	must(t, stream.Write(wire.In, whole[:500_000]))
	eventually(t, "the first file is there", func() bool {
		_, err := os.Stat(filepath.Join(root, "t/a"))
		return err == nil
	})
	conn.Close()
	eventually(t, "the second is gone", func() bool { return reflect.DeepEqual(filetest.Names(t, root), []string{"t", "t/a"}) })
}

func TestWhatTarOutSaysTarInMakes(t *testing.T) {
	root, conn := place(t, map[string]string{
		"from/a": "a", "from/b/c": strings.Repeat("c", 200_000), "from/l": "-> b", "from/e/": "", "from/" + strings.Repeat("x", 255): "long",
	})
	then := time.Unix(1_000_000_000, 0)
	must(t, os.Chtimes(filepath.Join(root, "from/a"), then, then))
	a := wiretest.Must(t, conn, "tar_out", "path", "/from")
	must(t, wiretest.Send(t, conn, a.Data, "tar_in", "path", "/to").Err)
	if got, want := filetest.Names(t, filepath.Join(root, "to/from")), filetest.Names(t, filepath.Join(root, "from")); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if info, err := os.Stat(filepath.Join(root, "to/from/a")); err != nil || !info.ModTime().Equal(then) {
		t.Error(info.ModTime(), err)
	}
}

// FuzzTarIn unpacks anything, and looks whether the outside has changed.
func FuzzTarIn(f *testing.F) {
	f.Add(archiveOf(f, tarEntry{name: "a/b", content: "c"}, tarEntry{name: "l", kind: tar.TypeSymlink, link: "../outside"}, tarEntry{name: "l/f", content: "x"}))
	f.Add(archiveOf(f, tarEntry{name: "h", kind: tar.TypeLink, link: "l/f"}, tarEntry{name: "../outside/f", content: "x"}))
	f.Add(archiveOf(f, tarEntry{name: strings.Repeat("long", 100), content: "x", mode: 0}, tarEntry{name: "d/", kind: tar.TypeDir, mode: 0o500}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		base := filetest.Make(t, map[string]string{"outside/f": "before", "root/t/l": "-> ../../outside"})
		outside := filepath.Join(base, "outside")
		before := snapshot(t, outside)
		conn := wiretest.Serve(t, Below(inside.At(filepath.Join(base, "root"))))
		wiretest.Send(t, conn, archive, "tar_in", "path", "/t")
		if after := snapshot(t, outside); after != before {
			t.Errorf("outside was\n%s and is\n%s", before, after)
		}
		if names, err := os.ReadDir(base); err != nil || len(names) != 2 {
			t.Error(names, err)
		}
		wiretest.Ask(t, conn, "remove", "path", "/t", "recursive", true)
	})
}
