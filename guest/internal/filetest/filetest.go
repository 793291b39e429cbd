// Package filetest has what tests of files need.
package filetest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Make makes files below a new folder: names ending in / are folders, content beginning with "-> " is a symlink.
func Make(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		whole := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(whole), 0o755); err != nil {
			t.Fatal(err)
		}
		link, isLink := strings.CutPrefix(content, "-> ")
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(whole, 0o755)
		case isLink:
			err = os.Symlink(link, whole)
		default:
			err = os.WriteFile(whole, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Chmod changes a mode.
func Chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// Read returns what is in a file.
func Read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Within fails the test when the work has not ended in time: what it guards against is waiting for ever.
func Within(t *testing.T, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("still waiting")
	}
}

// Names lists everything below a folder, sorted.
func Names(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if path != root {
			found = append(found, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// NoMask makes modes what they are asked to be, as the helper itself does.
func NoMask(t *testing.T) {
	t.Helper()
	before := unix.Umask(0)
	t.Cleanup(func() { unix.Umask(before) })
}

// AsStranger does the work on a thread that has no more rights than an ordinary user. The thread is thrown away.
func AsStranger(work func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			_, _ = unix.SetfsgidRetGid(54321)
			_, _ = unix.SetfsuidRetUid(54321)
		}
		work()
	}()
	<-done
}
