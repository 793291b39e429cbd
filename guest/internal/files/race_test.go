package files

import (
	"archive/tar"
	"bytes"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/filetest"
)

// TestNothingOutsideIsTouchedWhileNamesAreSwapped asks every operation for a path whose folder becomes a symlink to the outside, and a
// folder again, all the time.
func TestNothingOutsideIsTouchedWhileNamesAreSwapped(t *testing.T) {
	for _, how := range []string{"openat2", "walking"} {
		t.Run(how, func(t *testing.T) { swap(t, how == "walking") })
	}
}

func swap(t *testing.T, walks bool) {
	base := filetest.Make(t, map[string]string{
		"outside/f": "secret", "outside/sub/f": "secret", "root/d/f": "inside", "root/d/sub/f": "inside",
		"root/away": "-> ../../../../../../../.." + t.TempDir(), "root/up/": "",
	})
	outside, root := filepath.Join(base, "outside"), filepath.Join(base, "root")
	must(t, os.Symlink(outside, filepath.Join(root, "l")))
	must(t, os.Symlink("../outside", filepath.Join(root, "m")))
	before := snapshot(t, outside)
	below := inside.At(root)
	if walks {
		below.Walk()
	}
	conn := wiretest.Serve(t, Below(below))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	for _, link := range []string{"l", "m"} {
		swapping.Add(1)
		go func() {
			defer swapping.Done()
			from, to := filepath.Join(root, link), filepath.Join(root, "d")
			for {
				select {
				case <-stop:
					return
				default:
					// The folder and the symlink change places in one step.
					_ = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
				}
			}
		}()
	}
	archive := archiveOf(t, tarEntry{name: "d/new", content: "new"}, tarEntry{name: "d/sub/new", content: "new"})
	for range 60 {
		for _, c := range []struct {
			op      string
			members []any
			content string
		}{
			{"read", []any{"path", "/d/f"}, ""},
			{"read", []any{"path", "/d/sub/f"}, ""},
			{"tar_out", []any{"path", "/d"}, ""},
			{"list", []any{"path", "/d/sub/.."}, ""},
			{"write", []any{"path", "/d/f"}, "inside"},
			{"write", []any{"path", "/d/f", "offset", 0}, "inside"},
			{"write", []any{"path", "/d/new/f", "parents", true}, "inside"},
			{"chmod", []any{"path", "/d/f", "mode", 0o600 + rand.Intn(8)}, ""},
			{"mkdir", []any{"path", "/d/sub/made", "parents", true}, ""},
			{"move", []any{"path", "/d/sub/made", "to", "/d/moved"}, ""},
			{"tar_in", []any{"path", "/"}, string(archive)},
			{"tar_in", []any{"path", "/d"}, string(archive)},
			{"remove", []any{"path", "/d/sub", "recursive", true}, ""},
		} {
			a := wiretest.Send(t, conn, []byte(c.content), c.op, c.members...)
			if bytes.Contains(a.Data, []byte("secret")) || strings.Contains(string(bytes.Join(raw(a), nil)), "secret") {
				t.Fatalf("%s %v showed the outside", c.op, c.members)
			}
		}
	}
	close(stop)
	swapping.Wait()
	if after := snapshot(t, outside); after != before {
		t.Errorf("outside was\n%s and is\n%s", before, after)
	}
}

func raw(a wiretest.Answer) [][]byte {
	var all [][]byte
	for _, event := range a.Events {
		all = append(all, event)
	}
	return all
}

// snapshot says all there is to say of a folder.
func snapshot(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range append(filetest.Names(t, folder), ".") {
		info, err := os.Lstat(filepath.Join(folder, name))
		must(t, err)
		all.WriteString(name + " " + info.Mode().String() + " " + info.ModTime().String())
		if info.Mode().IsRegular() {
			all.WriteString(" " + filetest.Read(t, filepath.Join(folder, name)))
		}
		all.WriteByte('\n')
	}
	return all.String()
}

func TestSymlinksAreResolvedBelowTheRoot(t *testing.T) {
	for _, walks := range []bool{false, true} {
		base := filetest.Make(t, map[string]string{
			"secret": "outside", "root/abs": "-> /f", "root/out": "-> ../../../secret", "root/e": "-> /etc", "root/f": "inside",
			"root/a/b/c/up": "-> ../../../../../../../f", "root/chain": "-> a/b/../../abs", "root/self": "-> .",
			"root/p": "-> /proc/self/root/../../..",
		})
		below := inside.At(filepath.Join(base, "root"))
		if walks {
			below.Walk()
		}
		conn := wiretest.Serve(t, Below(below))
		for path, want := range map[string]string{
			"/abs": "inside", "/a/b/c/up": "inside", "/chain": "inside", "/self/self/self/f": "inside", "/../f": "inside",
			"/out": "", "/e/passwd": "", "/a/../../secret": "", "/p/etc/passwd": "", "/self/../../../../secret": "",
		} {
			a := wiretest.Ask(t, conn, "read", "path", path)
			if string(a.Data) != want || want == "" && a.Code() != "not_found" {
				t.Errorf("%s (walking %v): %q %v", path, walks, a.Data, a.Err)
			}
		}
	}
}

func TestBothWaysOfResolvingAgree(t *testing.T) {
	root := filetest.Make(t, map[string]string{
		"a/b/c/": "", "a/l": "-> b", "a/up": "-> ..", "a/abs": "-> /a/b", "a/loop": "-> loop2", "a/loop2": "-> loop", "a/f": "",
		"a/b/dot": "-> .", "a/none": "-> /x/y", "a/b/c/deep": "-> ../../../../a/abs/c", "a/slash": "-> b/", "a/file": "-> f",
	})
	one, other := inside.At(root), inside.At(root)
	other.Walk()
	words := []string{"a", "b", "c", "l", "up", "abs", "loop", "f", "dot", "none", "deep", "slash", "file", ".", "..", "", "x"}
	random := rand.New(rand.NewSource(2))
	for range 20_000 {
		path := ""
		for range random.Intn(9) {
			path += "/" + words[random.Intn(len(words))]
		}
		path = "/" + strings.TrimPrefix(path, "/")
		identity := func(r *inside.Root) (uint64, error) {
			fd, err := r.Folder(path)
			if err != nil {
				return 0, err
			}
			defer unix.Close(fd)
			var info unix.Stat_t
			return info.Ino, unix.Fstat(fd, &info)
		}
		ino1, err1 := identity(one)
		ino2, err2 := identity(other)
		if ino1 != ino2 || err1 != err2 {
			t.Fatalf("%s: %d %v and %d %v", path, ino1, err1, ino2, err2)
		}
	}
}

type tarEntry struct {
	name, content, link string
	kind                byte
	mode                int64
}

func archiveOf(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		must(t, w.WriteHeader(&tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Size: int64(len(e.content)), Mode: e.mode}))
		_, err := w.Write([]byte(e.content))
		must(t, err)
	}
	must(t, w.Close())
	return out.Bytes()
}
