package trees

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
)

func TestRemoveTakesEverything(t *testing.T) {
	outside := filetest.Make(t, map[string]string{"keep": "x", "folder/keep": "x"})
	root := filetest.Make(t, map[string]string{
		"a": "x", "sub/b": "x", "sub/deep/er/c": "x", "empty/": "", "out": "-> " + outside, "sub/out": "-> " + outside + "/folder",
		"dangling": "-> nothing",
	})
	if err := unix.Mkfifo(root+"/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/no text \xff\xfe", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(root); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(root); !os.IsNotExist(err) {
			t.Fatalf("it is still there: %v", err)
		}
	}
	if len(filetest.Names(t, outside)) != 3 {
		t.Errorf("outside there is only %q", filetest.Names(t, outside))
	}
}

func TestRemoveOfASymlinkLeavesWhatItLeadsTo(t *testing.T) {
	root := filetest.Make(t, map[string]string{"folder/keep": "x", "link": "-> folder"})
	if err := Remove(root + "/link"); err != nil {
		t.Fatal(err)
	}
	if got := filetest.Names(t, root); len(got) != 2 {
		t.Errorf("left: %q", got)
	}
}

func TestRemoveOfWhatWasNeverThere(t *testing.T) {
	if err := Remove(filepath.Join(t.TempDir(), "missing", "too")); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveTakesATreeDeeperThanAPathCanBeLong(t *testing.T) {
	root := t.TempDir() + "/root"
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	deepen(t, root, 900)
	filetest.Within(t, func() {
		if err := Remove(root); err != nil {
			t.Error(err)
		}
	})
}

func TestRemoveTakesFoldersThatNobodyMayEnter(t *testing.T) {
	parent := filetest.Make(t, map[string]string{"root/locked/inner/x": "x", "root/read-only/y": "x", "root/closed/": "", "root/locked/deep/": ""})
	root := parent + "/root"
	for _, name := range []string{"locked/inner", "locked/deep", "locked", "closed", "read-only", "."} {
		mode := os.FileMode(0)
		if name == "read-only" {
			mode = 0o555
		}
		filetest.Chmod(t, filepath.Join(root, name), mode)
	}
	if os.Getuid() == 0 {
		// Of a stranger, who has only the rights of an owner.
		if err := filepath.WalkDir(parent, func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				err = os.Lchown(path, 54321, 54321)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		filetest.Chmod(t, filepath.Dir(parent), 0o755)
	}
	filetest.AsStranger(func() {
		if err := Remove(root); err != nil {
			t.Error(err)
		}
	})
	if got := filetest.Names(t, parent); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestRemoveTakesWhatAnInterruptedOneLeft(t *testing.T) {
	root := filetest.Make(t, map[string]string{".X-0/a": "x", ".X-1/b/c": "x", ".X-2": "x"})
	if err := Remove(root); err != nil {
		t.Fatal(err)
	}
}
