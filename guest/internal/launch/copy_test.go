package launch

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

func self() plan.Identity { return plan.Identity{UID: os.Getuid(), GID: os.Getgid()} }

// noMask makes modes what they are asked to be, as the helper itself does.
func noMask(t *testing.T) {
	t.Helper()
	before := unix.Umask(0)
	t.Cleanup(func() { unix.Umask(before) })
}

// asStranger does the work on a thread that has no more rights than an ordinary user. The thread is thrown away.
func asStranger(work func()) {
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

func TestCopyTreeCopiesFoldersFilesAndSymlinks(t *testing.T) {
	noMask(t)
	source := tree(t, map[string]string{
		"a": "one", "sub/b": "two", "sub/deep/er/c": "", "to-a": "-> a", "out": "-> /etc/shadow", "dangling": "-> nothing", "empty/": "",
		"large": strings.Repeat("block ", 100_000),
	})
	target := t.TempDir()
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, target), names(t, source); !reflect.DeepEqual(got, want) {
		t.Fatalf("copied %q, want %q", got, want)
	}
	for _, name := range []string{"a", "sub/b", "sub/deep/er/c", "large"} {
		if readBack(t, target+"/"+name) != readBack(t, source+"/"+name) {
			t.Errorf("%s is another", name)
		}
	}
	for name, want := range map[string]string{"to-a": "a", "out": "/etc/shadow", "dangling": "nothing"} {
		if link, err := os.Readlink(target + "/" + name); err != nil || link != want {
			t.Errorf("%s leads to %q, %v", name, link, err)
		}
	}
	// The copy is one: writing to it leaves the original alone.
	if err := os.WriteFile(target+"/a", []byte("changed"), 0); err != nil {
		t.Fatal(err)
	}
	if readBack(t, source+"/a") != "one" {
		t.Error("the original changed")
	}
}

func TestCopyTreeKeepsModesButNoPrivileges(t *testing.T) {
	noMask(t)
	source := tree(t, map[string]string{"script": "", "secret": "", "read-only": "x", "set": "", "locked/inner": "x", "shared/": ""})
	for name, mode := range map[string]os.FileMode{
		"script": 0o755, "secret": 0o600, "read-only": 0o444, "set": 0o755 | os.ModeSetuid | os.ModeSetgid,
		"locked": 0o555, "shared": 0o777 | os.ModeSticky,
	} {
		chmod(t, filepath.Join(source, name), mode)
	}
	t.Cleanup(func() { _ = os.Chmod(source+"/locked", 0o755) })
	target := t.TempDir()
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		"script": 0o755, "secret": 0o600, "read-only": 0o444, "set": 0o755,
		// Folders are writable for their owner: the workload's, who may do as they like with a copy.
		"locked": 0o755 | os.ModeDir, "shared": 0o777 | os.ModeDir,
	} {
		info, err := os.Stat(filepath.Join(target, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestCopyTreeLeavesWhatIsNoFileBehind(t *testing.T) {
	source := tree(t, map[string]string{"a": "one", "z": "two"})
	if err := unix.Mkfifo(source+"/fifo", 0o666); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", source+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if os.Getuid() == 0 {
		if err := unix.Mknod(source+"/device", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir()
	within(t, func() {
		if err := copyTree(source, target, self()); err != nil {
			t.Error(err)
		}
	})
	if got := names(t, target); !reflect.DeepEqual(got, []string{"a", "z"}) {
		t.Fatalf("copied %q", got)
	}
}

func TestCopyTreePassesOverWhatMayNotBeRead(t *testing.T) {
	source := tree(t, map[string]string{"a": "one", "locked/inner": "two", "private": "three", "z": "four"})
	target := t.TempDir()
	chmod(t, source+"/locked", 0)
	chmod(t, source+"/private", 0)
	t.Cleanup(func() { _ = os.Chmod(source+"/locked", 0o755) })
	// The folders above belong to the test alone.
	for _, folder := range []string{filepath.Dir(source), filepath.Dir(target), target} {
		chmod(t, folder, 0o777)
	}
	owner := self()
	if owner.UID == 0 {
		owner = plan.Identity{UID: 54321, GID: 54321}
		if err := os.Chown(target, owner.UID, owner.GID); err != nil {
			t.Fatal(err)
		}
	}
	asStranger(func() {
		if err := copyTree(source, target, owner); err != nil {
			t.Error(err)
		}
	})
	if got := names(t, target); !reflect.DeepEqual(got, []string{"a", "z"}) {
		t.Fatalf("copied %q", got)
	}
}

func TestCopyTreeGivesEverythingToItsNewOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	source := tree(t, map[string]string{"a": "", "sub/b": "", "out": "-> " + tree(t, map[string]string{"theirs": ""}) + "/theirs"})
	target := t.TempDir()
	if err := copyTree(source, target, plan.Identity{UID: 54321, GID: 54322}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "a", "sub", "sub/b", "out"} {
		var info unix.Stat_t
		if err := unix.Lstat(filepath.Join(target, name), &info); err != nil || info.Uid != 54321 || info.Gid != 54322 {
			t.Errorf("%s belongs to %d:%d, %v", name, info.Uid, info.Gid, err)
		}
	}
	var outside unix.Stat_t
	if err := unix.Stat(filepath.Join(target, "out"), &outside); err != nil || outside.Uid != 0 {
		t.Errorf("what a symlink leads to belongs to %d, %v", outside.Uid, err)
	}
}

func TestCopyTreeFailsWhereItCannotWrite(t *testing.T) {
	source := tree(t, map[string]string{"a": "new"})
	target := tree(t, map[string]string{"a": "old"})
	if err := copyTree(source, target, self()); err == nil {
		t.Error("a file that was there has been overwritten")
	}
	if readBack(t, target+"/a") != "old" {
		t.Error("the file that was there changed")
	}
	if err := copyTree(source+"/missing", target, self()); err == nil {
		t.Error("nothing was copied without an error")
	}
}

func TestCopyDoesNotFollowWhatBecameASymlink(t *testing.T) {
	source := tree(t, map[string]string{"file": "x", "link": "-> file", "folder/a": "x", "to-folder": "-> folder"})
	fd, err := unix.Open(source, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// As if the folder had listed a file or a folder under these names a moment ago.
	if err := (copier{to: self()}).file(fd, "link", source+"/copy"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a symlink was followed: %v", err)
	}
	if _, err := unix.Openat(fd, "to-folder", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0); err == nil {
		t.Error("a symlink to a folder was opened")
	}
	if _, err := os.Lstat(source + "/copy"); err == nil {
		t.Error("a copy was made")
	}
}

func TestRootDoesNotCopyWhatOthersKeepToThemselves(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make files of somebody else")
	}
	source := tree(t, map[string]string{"ours": "x", "theirs": "secret", "theirs-open": "x", "folder/theirs": "secret"})
	for name, mode := range map[string]os.FileMode{"theirs": 0o600, "theirs-open": 0o644, "folder": 0o700} {
		if err := errors.Join(os.Chmod(source+"/"+name, mode), os.Lchown(source+"/"+name, 55555, 55555)); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir() + "/copy"
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, target); !reflect.DeepEqual(got, []string{"ours", "theirs-open"}) {
		t.Errorf("copied %q", got)
	}
}

func TestInsideRefusesTargetsThatLeadOut(t *testing.T) {
	stage := tree(t, map[string]string{"tmp/": "", "var/tmp": "-> ../tmp", "out": "-> /"})
	stage, err := filepath.EvalSymlinks(stage)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := open(unix.AT_FDCWD, stage, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	b := &builder{stage: stage, stageFD: fd}
	for target, ok := range map[string]bool{"a/b/c": true, "var/tmp/x/y": true, "out/x": false, "out/etc/x/y": false} {
		if err := b.inside(stage + "/" + target); (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// names lists everything below a folder, sorted.
func names(t *testing.T, root string) []string {
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

func TestMemoryFileIsReadFromItsBeginning(t *testing.T) {
	data := bytes.Repeat([]byte{0, 1, 2, 255}, 50_000)
	fd, err := memoryFile("test", data)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "test")
	defer file.Close()
	got := make([]byte, len(data)+1)
	n, _ := file.Read(got)
	if !bytes.Equal(got[:n], data) {
		t.Fatalf("read %d bytes of %d", n, len(data))
	}
}
