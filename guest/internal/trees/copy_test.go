package trees

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
)

func self() Owner { return Owner{UID: os.Getuid(), GID: os.Getgid()} }

func copyTree(source, target string, to Owner) error {
	return copyWith(source, target, Copy{To: to})
}

func copyWith(source, target string, work Copy) error {
	fd, err := unix.Open(source, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return work.Copy(fd, target)
}

func TestCopyCopiesFoldersFilesAndSymlinks(t *testing.T) {
	filetest.NoMask(t)
	source := filetest.Make(t, map[string]string{
		"a": "one", "sub/b": "two", "sub/deep/er/c": "", "to-a": "-> a", "out": "-> /etc/shadow", "dangling": "-> nothing", "empty/": "",
		"large": strings.Repeat("block ", 100_000),
	})
	target := t.TempDir()
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	if got, want := filetest.Names(t, target), filetest.Names(t, source); !reflect.DeepEqual(got, want) {
		t.Fatalf("copied %q, want %q", got, want)
	}
	for _, name := range []string{"a", "sub/b", "sub/deep/er/c", "large"} {
		if filetest.Read(t, target+"/"+name) != filetest.Read(t, source+"/"+name) {
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
	if filetest.Read(t, source+"/a") != "one" {
		t.Error("the original changed")
	}
}

func TestCopyKeepsModesButNoPrivileges(t *testing.T) {
	filetest.NoMask(t)
	source := filetest.Make(t, map[string]string{"script": "", "secret": "", "read-only": "x", "set": "", "locked/inner": "x", "shared/": ""})
	for name, mode := range map[string]os.FileMode{
		"script": 0o755, "secret": 0o600, "read-only": 0o444, "set": 0o755 | os.ModeSetuid | os.ModeSetgid,
		"locked": 0o555, "shared": 0o777 | os.ModeSticky,
	} {
		filetest.Chmod(t, filepath.Join(source, name), mode)
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

func TestCopyLeavesWhatIsNoFileBehind(t *testing.T) {
	source := filetest.Make(t, map[string]string{"a": "one", "z": "two"})
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
	filetest.Within(t, func() {
		if err := copyTree(source, target, self()); err != nil {
			t.Error(err)
		}
	})
	if got := filetest.Names(t, target); !reflect.DeepEqual(got, []string{"a", "z"}) {
		t.Fatalf("copied %q", got)
	}
}

func TestCopyPassesOverWhatMayNotBeRead(t *testing.T) {
	source := filetest.Make(t, map[string]string{"a": "one", "locked/inner": "two", "private": "three", "z": "four"})
	target := t.TempDir()
	filetest.Chmod(t, source+"/locked", 0)
	filetest.Chmod(t, source+"/private", 0)
	t.Cleanup(func() { _ = os.Chmod(source+"/locked", 0o755) })
	// The folders above belong to the test alone.
	for _, folder := range []string{filepath.Dir(source), filepath.Dir(target), target} {
		filetest.Chmod(t, folder, 0o777)
	}
	owner := self()
	if owner.UID == 0 {
		owner = Owner{UID: 54321, GID: 54321}
		if err := os.Chown(target, owner.UID, owner.GID); err != nil {
			t.Fatal(err)
		}
	}
	filetest.AsStranger(func() {
		if err := copyTree(source, target, owner); err != nil {
			t.Error(err)
		}
	})
	if got := filetest.Names(t, target); !reflect.DeepEqual(got, []string{"a", "z"}) {
		t.Fatalf("copied %q", got)
	}
}

func TestCopyGivesEverythingToItsNewOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	source := filetest.Make(t, map[string]string{"a": "", "sub/b": "", "out": "-> " + filetest.Make(t, map[string]string{"theirs": ""}) + "/theirs"})
	target := t.TempDir()
	if err := copyTree(source, target, Owner{UID: 54321, GID: 54322}); err != nil {
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

func TestCopyFailsWhereItCannotWrite(t *testing.T) {
	source := filetest.Make(t, map[string]string{"a": "new"})
	target := filetest.Make(t, map[string]string{"a": "old"})
	if err := copyTree(source, target, self()); err == nil {
		t.Error("a file that was there has been overwritten")
	}
	if filetest.Read(t, target+"/a") != "old" {
		t.Error("the file that was there changed")
	}
	if err := copyTree(source+"/missing", target, self()); err == nil {
		t.Error("nothing was copied without an error")
	}
}

func TestCopyDoesNotFollowWhatBecameASymlink(t *testing.T) {
	source := filetest.Make(t, map[string]string{"file": "x", "link": "-> file", "folder/a": "x", "to-folder": "-> folder"})
	fd, err := unix.Open(source, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// As if the folder had listed a file or a folder under these names a moment ago.
	for name, flags := range map[string]uint64{"link": unix.O_RDONLY, "to-folder": unix.O_RDONLY | unix.O_DIRECTORY, "../x": unix.O_RDONLY} {
		if _, err := below(fd, name, flags); !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.EXDEV) {
			t.Errorf("%s was followed: %v", name, err)
		}
	}
}

func TestRootDoesNotCopyWhatOthersKeepToThemselves(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make files of somebody else")
	}
	source := filetest.Make(t, map[string]string{"ours": "x", "theirs": "secret", "theirs-open": "x", "folder/theirs": "secret"})
	for name, mode := range map[string]os.FileMode{"theirs": 0o600, "theirs-open": 0o644, "folder": 0o700} {
		if err := errors.Join(os.Chmod(source+"/"+name, mode), os.Lchown(source+"/"+name, 55555, 55555)); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir() + "/copy"
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	if got := filetest.Names(t, target); !reflect.DeepEqual(got, []string{"ours", "theirs-open"}) {
		t.Errorf("copied %q", got)
	}
}

func TestCopyLeavesHiddenFilesOutAndWritesOthersAnew(t *testing.T) {
	filetest.NoMask(t)
	source := filetest.Make(t, map[string]string{
		".env": "KEY=hush", "sub/.env": "KEY=hush", "sub/deep/key": "hush", "folder/inner": "hush", "config": "token", "to-config": "-> config",
		"sub/config": "token", "open": "x",
	})
	target := t.TempDir() + "/copy"
	work := Copy{
		To:     self(),
		Hidden: []string{".env", "sub/.env", "sub/deep/key", "folder", "missing"},
		Replaced: map[string]string{"config": "clean", "sub/config": strings.Repeat("long ", 50_000), "to-config": "a file", "sub/deep": "never",
			"absent": "never"},
	}
	filetest.Chmod(t, source+"/config", 0o600)
	if err := copyWith(source, target, work); err != nil {
		t.Fatal(err)
	}
	if got, want := filetest.Names(t, target), []string{"config", "open", "sub", "sub/config", "to-config"}; !reflect.DeepEqual(got, want) {
		t.Errorf("copied %q, want %q", got, want)
	}
	for name, want := range map[string]string{"config": "clean", "sub/config": work.Replaced["sub/config"], "to-config": "a file", "open": "x"} {
		if got := filetest.Read(t, target+"/"+name); got != want {
			t.Errorf("%s holds %.20q", name, got)
		}
	}
	if info, err := os.Lstat(target + "/config"); err != nil || info.Mode() != 0o644 {
		t.Errorf("what is written anew has mode %v, %v", info.Mode(), err)
	}
}

func TestCopyKeepsTimes(t *testing.T) {
	source := filetest.Make(t, map[string]string{"a": "one", "sub/b": "two"})
	then := time.Date(2020, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, name := range []string{"a", "sub/b", "sub"} {
		if err := os.Chtimes(filepath.Join(source, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	target := t.TempDir()
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "sub/b", "sub"} {
		if info, err := os.Stat(filepath.Join(target, name)); err != nil || !info.ModTime().Equal(then) {
			t.Errorf("%s is of %v, %v", name, info.ModTime(), err)
		}
	}
}

func openFolder(t *testing.T, name string) int {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func TestCopyDoesNotEnterAnotherFileSystem(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	source := filetest.Make(t, map[string]string{"a": "", "mounted/below": ""})
	target := t.TempDir()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// A thread of its own, which is thrown away.
		runtime.LockOSThread()
		err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", source+"/mounted", "tmpfs", 0, ""), os.WriteFile(source+"/mounted/other", nil, 0o644),
			copyTree(source, target, self()))
		if err != nil {
			t.Error(err)
		}
	}()
	<-done
	if got, want := filetest.Names(t, target), []string{"a", "mounted"}; !reflect.DeepEqual(got, want) {
		t.Errorf("copied %q, want %q", got, want)
	}
}

func TestCopyOfATreeDeeperThanAPathCanBeLong(t *testing.T) {
	source, target := t.TempDir(), t.TempDir()
	deepen(t, source, 600)
	if err := copyTree(source, target, self()); err != nil {
		t.Fatal(err)
	}
	if got := depth(t, target); got != 600 {
		t.Errorf("%d folders deep", got)
	}
	for _, root := range []string{source, target} {
		if err := Remove(root); err != nil {
			t.Error(err)
		}
	}
}

// deepen makes folders in folders, whose path is longer than any may be.
func deepen(t *testing.T, root string, count int) {
	t.Helper()
	fd := openFolder(t, root)
	for range count {
		if err := unix.Mkdirat(fd, "folder-with-a-name", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, "folder-with-a-name", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(next)
		fd = next
	}
}

func depth(t *testing.T, root string) int {
	t.Helper()
	fd := openFolder(t, root)
	for count := 0; ; count++ {
		next, err := unix.Openat(fd, "folder-with-a-name", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return count
		}
		defer unix.Close(next)
		fd = next
	}
}
