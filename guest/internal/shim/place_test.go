package shim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestThePlaceOfASocketMustBeOurs(t *testing.T) {
	root, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	make := func(name string, mode os.FileMode) string {
		if err := os.Mkdir(root+"/"+name, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(root+"/"+name, mode); err != nil {
			t.Fatal(err)
		}
		return root + "/" + name
	}
	own := make("own", 0o700)
	if err := os.Symlink(own, root+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/file", nil, 0o700); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ dir, want string }{
		"open to its group":  {make("group", 0o750), "mode 750"},
		"open to everybody":  {make("all", 0o777), "mode 777"},
		"of too few rights":  {make("less", 0o500), "mode 500"},
		"a symlink":          {root + "/link", "not a directory"},
		"a file":             {root + "/file", "not a directory"},
		"not there":          {root + "/none", "no such file"},
		"of a path too long": {root + "/" + strings.Repeat("x", 100), "longer than 100 bytes"},
	}
	if os.Getuid() == 0 {
		other := make("other", 0o700)
		if err := os.Chown(other, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		cases["somebody else's"] = struct{ dir, want string }{other, "belongs to user 12345"}
	}
	for name, c := range cases {
		p, _, err := openPlace(c.dir, 0, false)
		if err == nil {
			p.close()
			t.Errorf("a folder %s is taken", name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("a folder %s: %v", name, err)
		}
	}
}

func TestAPlaceHasOneShim(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	first, _, err := openPlace(dir, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.write(selfName, map[string]any{"pid": 1}); err != nil {
		t.Fatal(err)
	}
	if p, _, err := openPlace(dir, time.Millisecond, false); err == nil || !strings.Contains(err.Error(), "another shim") {
		t.Fatalf("%v, %v", p, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, selfName)); err != nil || string(text) != `{"pid":1}` {
		t.Fatalf("the first one's file: %q, %v", text, err)
	}
	// The second waits for the first to leave.
	taken := make(chan error, 1)
	go func() {
		p, _, err := openPlace(dir, tooLong, false)
		if err == nil {
			p.close()
		}
		taken <- err
	}()
	first.leave(ended{Reason: "ended"})
	first.close()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsWrittenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p := &place{dir: dir, fd: fd}
	// What somebody left under the name of the new one is not written through.
	if err := os.Symlink(dir+"/elsewhere", dir+"/x.json.new"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"first", "second"} {
		if err := p.write("x.json", value); err != nil {
			t.Fatal(err)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	if text, err := os.ReadFile(dir + "/x.json"); err != nil || string(text) != `"second"` {
		t.Fatalf("%q, %v", text, err)
	}
}
