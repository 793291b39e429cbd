package launch

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/plan"
)

func TestShow(t *testing.T) {
	large := strings.Repeat("x", smallFile+1)
	root := filetest.Make(t, map[string]string{
		"etc/small": "text\n", "etc/empty": "", "etc/limit": large[1:], "etc/large": large, "etc/folder/inner": "x",
		"etc/to-small": "-> small", "etc/to-folder": "-> folder", "etc/dangling": "-> nothing", "etc/loop": "-> loop",
		"etc/private": "key", "etc/group": "key", "etc/private-large": large, "bin": "-> usr/bin",
	})
	filetest.Chmod(t, root+"/etc/private", 0o600)
	filetest.Chmod(t, root+"/etc/group", 0o640)
	filetest.Chmod(t, root+"/etc/private-large", 0o600)
	filetest.Chmod(t, root+"/etc/empty", 0o444)

	file := func(name string) []plan.Mount {
		return []plan.Mount{{Kind: "copy", Source: root + "/etc/" + name, Target: "etc/" + name, Mode: 0o644}}
	}
	bind := func(name string) []plan.Mount {
		return []plan.Mount{{Kind: "bind", Source: root + "/etc/" + name, Target: "etc/" + name, ReadOnly: true, Optional: true}}
	}
	for name, want := range map[string][]plan.Mount{
		"small":         file("small"),
		"empty":         file("empty"),
		"limit":         file("limit"),
		"to-small":      file("to-small"),
		"large":         bind("large"),
		"folder":        bind("folder"),
		"to-folder":     bind("to-folder"),
		"private-large": bind("private-large"),
		// Root could read them; nobody else may.
		"private": nil, "group": nil,
		"dangling": nil, "loop": nil, "missing": nil, "small/x": nil,
	} {
		if got := show(root+"/etc/"+name, "etc/"+name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is shown by %.200v, want %.200v", name, got, want)
		}
	}
}

func TestASymlinkAtTheTopStaysOne(t *testing.T) {
	root := filetest.Make(t, map[string]string{"bin": "-> usr/bin", "usr/bin/": ""})
	want := []plan.Mount{{Kind: "symlink", Target: "bin", Data: "usr/bin"}}
	if got := show(root+"/bin", "bin"); !reflect.DeepEqual(got, want) {
		t.Errorf("top: %v", got)
	}
	below := show(root+"/bin", "usr/local/bin")
	if len(below) != 1 || below[0].Kind != "bind" {
		t.Errorf("below: %v", below)
	}
}

func TestWhatIsNeitherFileNorFolderIsNotOpened(t *testing.T) {
	root := filetest.Make(t, nil)
	if err := unix.Mkfifo(root+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fifo", root+"/to-fifo"); err != nil {
		t.Fatal(err)
	}
	filetest.Within(t, func() {
		for _, source := range []string{root + "/fifo", root + "/to-fifo", os.DevNull} {
			if got := show(source, "etc/x"); got != nil {
				t.Errorf("%s is shown by %v", source, got)
			}
		}
	})
}

func TestExpandTakesEntriesByTheStartOfTheirName(t *testing.T) {
	root := filetest.Make(t, map[string]string{
		"python3/x": "", "python3.12": "py", "java-17/": "", "jav": "no", "a-python": "no", "fonts/": "",
	})
	got, err := expand([]plan.Mount{
		{Kind: "dir", Target: "etc"},
		{Kind: "showMatching", Source: root, Target: "etc", Prefixes: []string{"python", "java"}},
		{Kind: "show", Source: root, Target: "etc", Names: []string{"jav", "missing"}},
		{Kind: "tmpfs", Target: "tmp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, mount := range got {
		seen = append(seen, mount.Kind+" "+mount.Target)
	}
	want := []string{"dir etc", "bind etc/java-17", "bind etc/python3", "copy etc/python3.12", "copy etc/jav", "tmpfs tmp"}
	if !reflect.DeepEqual(seen, want) {
		t.Fatalf("steps = %q, want %q", seen, want)
	}
}

func TestExpandShowsNothingOfAFolderThatIsNotThere(t *testing.T) {
	got, err := expand([]plan.Mount{{Kind: "showMatching", Source: t.TempDir() + "/missing", Target: "etc", Prefixes: []string{""}}})
	if err != nil || len(got) != 0 {
		t.Fatalf("steps = %v, %v", got, err)
	}
}

func TestAFileIsCopiedWhole(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	source := filetest.Make(t, map[string]string{"long": long, "empty": "", "link": "-> long"})
	b := &builder{stage: t.TempDir()}
	for name, want := range map[string]string{"long": long, "empty": "", "link": long} {
		if err := b.apply(plan.Mount{Kind: "copy", Source: source + "/" + name, Target: name, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if filetest.Read(t, b.stage+"/"+name) != want {
			t.Errorf("%s is not the same", name)
		}
	}
	if err := b.apply(plan.Mount{Kind: "copy", Source: source + "/gone", Target: "gone"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(b.stage + "/gone"); !os.IsNotExist(err) {
		t.Errorf("a file that is not there is shown: %v", err)
	}
}
