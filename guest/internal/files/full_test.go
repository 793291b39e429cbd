package files

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/files/wiretest"
	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/wire"
)

func TestAFullDiskIsSaidToBeAndNothingHalfIsLeft(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a disk of its own needs the rights of root: ", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(root, unix.MNT_DETACH)) })
	must(t, os.WriteFile(filepath.Join(root, "f"), []byte("old"), 0o644))
	conn := wiretest.Serve(t, Below(inside.At(root)))
	large := bytes.Repeat([]byte("x"), 4<<20)
	archive := archiveOf(t, tarEntry{name: "first", content: "1"}, tarEntry{name: "large", content: string(large)})
	for op, content := range map[string][]byte{"write": large, "tar_in": archive} {
		path := map[string]string{"write": "/f", "tar_in": "/t"}[op]
		if a := wiretest.Send(t, conn, content, op, "path", path); a.Code() != "no_space" {
			t.Errorf("%s: %v", op, a.Err)
		}
	}
	noTemps(t, root)
	if got := filetest.Read(t, filepath.Join(root, "f")); got != "old" {
		t.Errorf("%d bytes", len(got))
	}
	must(t, wiretest.Send(t, conn, make([]byte, 512<<10), "write", "path", "/fits").Err)
}

func TestAMoveToAnotherFileSystemCopiesFirst(t *testing.T) {
	root := filetest.Make(t, map[string]string{
		"d/f": "f", "d/sub/g": "g", "d/l": "-> f", "single": "s", "link": "-> single", "special/f": "", "large/f": "kept", "m/": "",
	})
	if err := unix.Mount("tmpfs", filepath.Join(root, "m"), "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("a disk of its own needs the rights of root: ", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(filepath.Join(root, "m"), unix.MNT_DETACH)) })
	must(t, unix.Mkfifo(filepath.Join(root, "special/fifo"), 0o600))
	must(t, os.WriteFile(filepath.Join(root, "large/z"), make([]byte, 4<<20), 0o600))
	filetest.Chmod(t, filepath.Join(root, "d/sub"), 0o500)
	conn := wiretest.Serve(t, Below(inside.At(root)))
	for _, c := range []struct{ path, to, code string }{
		{"/d", "/m/e", ""}, {"/single", "/m/s", ""}, {"/link", "/m/link", ""}, {"/m/s", "/back", ""},
		{"/special", "/m/special", "unsupported"}, {"/large", "/m/large", "no_space"}, {"/large/f", "/m/e", "is_a_directory"},
	} {
		if a := wiretest.Ask(t, conn, "move", "path", c.path, "to", c.to); a.Code() != c.code {
			t.Errorf("%s: %v", c.path, a.Err)
		}
	}
	if a := wiretest.Ask(t, conn, "move", "path", "/back", "to", "/m/e/f", "overwrite", false); a.Code() != "exists" {
		t.Error(a.Err)
	}
	want := []string{
		"back", "large", "large/f", "large/z", "m", "m/e", "m/e/f", "m/e/l", "m/e/sub", "m/e/sub/g", "m/link", "special", "special/f",
		"special/fifo",
	}
	if got := filetest.Names(t, root); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(filepath.Join(root, "m/e/sub")); err != nil || info.Mode().Perm() != 0o500 {
		t.Error(info, err)
	}
}

const benchmarkBytes = 256 << 20

func BenchmarkRead(b *testing.B)   { benchmark(b, "read") }
func BenchmarkTarOut(b *testing.B) { benchmark(b, "tar_out") }

func benchmark(b *testing.B, op string) {
	root, conn := place(b, nil)
	must(b, os.WriteFile(filepath.Join(root, "f"), make([]byte, benchmarkBytes), 0o644))
	b.SetBytes(benchmarkBytes)
	for b.Loop() {
		stream := wiretest.Open(b, conn, op, "path", "/f")
		for {
			message, err := stream.Recv()
			must(b, err)
			if message.Kind == wire.EndType {
				break
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	_, conn := place(b, nil)
	content := make([]byte, 1<<20)
	b.SetBytes(benchmarkBytes)
	for b.Loop() {
		stream := wiretest.Open(b, conn, "write", "path", "/f")
		for sent := 0; sent < benchmarkBytes; sent += len(content) {
			must(b, stream.Write(wire.In, content))
		}
		stream.CloseChannel(wire.In)
		must(b, wiretest.Finish(b, stream).Err)
	}
}

func BenchmarkStat(b *testing.B) {
	_, conn := place(b, map[string]string{"a/b/c/d/f": ""})
	for b.Loop() {
		must(b, wiretest.Ask(b, conn, "stat", "path", "/a/b/c/d/f").Err)
	}
}
