package inside

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnOldKernelChangesModesOfFilesAndFoldersOnly(t *testing.T) {
	root := t.TempDir()
	for name, want := range map[string]error{"file": nil, "folder": nil, "fifo": unix.EOPNOTSUPP, "swapped": unix.EBUSY} {
		path := filepath.Join(root, name)
		var err error
		switch name {
		case "folder":
			err = os.Mkdir(path, 0o755)
		case "fifo":
			err = unix.Mkfifo(path, 0o600)
		default:
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		place, err := At(root).Place("/"+name, false)
		if err != nil {
			t.Fatal(err)
		}
		defer place.Close()
		pin, _, err := place.Pin()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pin)
		if name == "swapped" {
			if err := os.WriteFile(path+"-new", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+"-new", path); err != nil {
				t.Fatal(err)
			}
		}
		if err := chmodByName(pin, place.Folder, place.Name, 0o711); err != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if info, err := os.Stat(path); want == nil && (err != nil || info.Mode().Perm() != 0o711) {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestTheWorkingDirectoryIsWhatItWasAfterwards(t *testing.T) {
	folder := t.TempDir()
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := At(folder).Folder("/")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := In(fd, func() error { return os.WriteFile("here", nil, 0o600) }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "here")); err != nil {
		t.Error(err)
	}
	if after, err := os.Getwd(); after != before {
		t.Error(after, err)
	}
}
