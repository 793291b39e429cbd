package pidone

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
}

// world makes folders a, b and c with programs of several kinds and stands in it.
func world(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root+"/a/text", 0o644)
	write(t, root+"/a/both", 0o644)
	write(t, root+"/b/both", 0o755)
	write(t, root+"/b/tool", 0o755)
	write(t, root+"/c/tool", 0o755)
	write(t, root+"/here", 0o755)
	for _, folder := range []string{"/a/folder", "/b/folder-first"} {
		if err := os.MkdirAll(root+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/c/folder-first", 0o755)
	for link, target := range map[string]string{"/a/dangling": "/nonexistent", "/a/loop": "loop", "/b/link": "tool"} {
		if err := os.Symlink(target, root+link); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	return root
}

func TestLookPath(t *testing.T) {
	root := world(t)
	for _, c := range []struct {
		name, path string
		// want is below root unless it is whole.
		want, stage string
		err         error
	}{
		{"tool", "a:b:c", "b/tool", "", nil},
		{"tool", "c:b", "c/tool", "", nil},
		{"link", "b", "b/link", "", nil},
		{"both", "a:b", "b/both", "", nil},
		{"folder-first", "b:c", "c/folder-first", "", nil},
		{"tool", "nowhere:a/text:b", "b/tool", "", nil},
		{"text", "a:b", "a/text", "exec", syscall.EACCES},
		{"text", "b:a:c", "a/text", "exec", syscall.EACCES},
		{"folder", "a:b", "a/folder", "exec", syscall.EACCES},
		{"missing", "a:b:c", "missing", "lookup", syscall.ENOENT},
		{"dangling", "a", "dangling", "lookup", syscall.ENOENT},
		{"loop", "a", "loop", "lookup", syscall.ENOENT},
		{"", "a", "", "lookup", syscall.ENOENT},
		// An empty entry would be the current folder, which holds a file of this name.
		{"here", "", "here", "lookup", syscall.ENOENT},
		{"here", ":a::b:", "here", "lookup", syscall.ENOENT},
		// Nor is it the root, which has a folder of this name.
		{"etc", ":", "etc", "lookup", syscall.ENOENT},
	} {
		var folders []string
		for _, folder := range strings.Split(c.path, ":") {
			if folder != "" {
				folder = root + "/" + folder
			}
			folders = append(folders, folder)
		}
		want := c.want
		if strings.Contains(want, "/") {
			want = root + "/" + want
		}
		program, stage, err := LookPath(c.name, []string{"HOME=/", "PATH=" + strings.Join(folders, ":")}, "")
		if program != want || stage != c.stage || err != c.err {
			t.Errorf("%q in %q: %q, %q, %v; want %q, %q, %v", c.name, c.path, program, stage, err, want, c.stage, c.err)
		}
	}
}

func TestANameWithASlashIsTakenAsItIs(t *testing.T) {
	root := world(t)
	for name, want := range map[string]struct {
		stage string
		err   error
	}{
		"./here":          {"", nil},
		"b/tool":          {"", nil},
		root + "/c/tool":  {"", nil},
		"a/text":          {"exec", syscall.EACCES},
		"a/":              {"exec", syscall.EISDIR},
		"./a":             {"exec", syscall.EISDIR},
		"b/missing":       {"lookup", syscall.ENOENT},
		"here/x":          {"lookup", syscall.ENOENT},
		"/":               {"exec", syscall.EISDIR},
		"/nonexistent/x":  {"lookup", syscall.ENOENT},
		"a/../b/dangling": {"lookup", syscall.ENOENT},
	} {
		program, stage, err := LookPath(name, []string{"PATH=" + root + "/b"}, "")
		if program != name || stage != want.stage || err != want.err {
			t.Errorf("%q: %q, %q, %v; want %q, %v", name, program, stage, err, want.stage, want.err)
		}
	}
}

func TestAnEntryOfThePathMayBeRelative(t *testing.T) {
	root := world(t)
	program, stage, err := LookPath("tool", []string{"PATH=b"}, "")
	if program != "b/tool" || stage != "" || err != nil {
		t.Fatalf("%q, %q, %v", program, stage, err)
	}
	t.Chdir("/")
	for name, want := range map[string]string{"tool": "b/tool", "./here": "./here"} {
		if program, _, err := LookPath(name, []string{"PATH=b"}, root); program != want || err != nil {
			t.Errorf("from the folder of the command: %q, %v", program, err)
		}
	}
}

func TestWithoutAPathTheSystemsFoldersAreSearched(t *testing.T) {
	program, stage, err := LookPath("sh", []string{"XPATH=/nowhere", "PATHS=/nowhere"}, "")
	if err != nil || stage != "" || !strings.HasSuffix(program, "bin/sh") {
		t.Fatalf("%q, %q, %v", program, stage, err)
	}
	if _, stage, _ := LookPath("sh", []string{"PATH="}, ""); stage != "lookup" {
		t.Fatalf("an empty path found something: %q", stage)
	}
}
