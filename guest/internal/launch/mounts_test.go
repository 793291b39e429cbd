package launch

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/plan"
)

// inOwnMounts does the work in a mount namespace of its own, on a thread that is thrown away with it.
func inOwnMounts(t *testing.T, work func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	problem := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			defer close(problem)
			work()
			return
		}
		problem <- err
	}()
	if err := <-problem; err != nil {
		t.Skipf("this system does not let us mount: %v", err)
	}
}

func TestABindShowsItsSourceReadOnly(t *testing.T) {
	b, _, outside := stage(t)
	inOwnMounts(t, func() {
		for _, mount := range []plan.Mount{
			{Kind: "bind", Source: outside, Target: "folder/below", ReadOnly: true},
			{Kind: "bind", Source: outside + "/file", Target: "file", ReadOnly: true},
		} {
			if err := b.apply(mount); err != nil {
				t.Errorf("%s: %v", mount.Target, err)
				return
			}
		}
		for _, name := range []string{"/folder/below/file", "/file"} {
			if got := filetest.Read(t, b.stage+name); got != "mine" {
				t.Errorf("%s holds %q", name, got)
			}
			if err := os.WriteFile(b.stage+name, nil, 0); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing to %s: %v", name, err)
			}
		}
	})
	if got := filetest.Read(t, outside+"/file"); got != "mine" {
		t.Fatalf("the source holds %q", got)
	}
}

func TestAnExactBindRefusesASymlinkAnywhereInItsSource(t *testing.T) {
	b, workspace, outside := stage(t)
	link(t, outside, workspace+"/a")
	inOwnMounts(t, func() {
		for _, source := range []string{workspace + "/a", workspace + "/a/folder"} {
			mount := plan.Mount{Kind: "bind", Source: source, Target: "x", Exact: true, Optional: true}
			if err := b.apply(mount); !errors.Is(err, unix.ELOOP) {
				t.Errorf("%s: %v", source, err)
			}
			mount.Exact = false
			if err := b.apply(mount); err != nil {
				t.Errorf("%s without exactness: %v", source, err)
			}
		}
	})
}

func TestABindWithinCoversAFileAndRefusesASymlink(t *testing.T) {
	b, workspace, outside := stage(t)
	put(t, workspace+"/secret", "key")
	put(t, b.stage+"/empty", "")
	link(t, outside+"/file", workspace+"/link")
	inOwnMounts(t, func() {
		cover := func(target string) error {
			return b.apply(plan.Mount{Kind: "bind", Source: b.stage + "/empty", Within: "workspace", Target: target, ReadOnly: true})
		}
		if err := cover("secret"); err != nil {
			t.Errorf("cover: %v", err)
		} else if got := filetest.Read(t, workspace+"/secret"); got != "" {
			t.Errorf("still shows %q", got)
		}
		if err := cover("link"); !errors.Is(err, unix.ELOOP) {
			t.Errorf("a symlink was covered: %v", err)
		}
		if err := cover("missing"); !errors.Is(err, unix.ENOENT) {
			t.Errorf("nothing was covered: %v", err)
		}
	})
	if filetest.Read(t, workspace+"/secret") != "key" || filetest.Read(t, outside+"/file") != "mine" {
		t.Fatal("the host's own files changed")
	}
}

func TestASecretInAFolderThatCannotBeWrittenIsCovered(t *testing.T) {
	b, workspace, _ := stage(t)
	put(t, workspace+"/locked/secret", "key")
	put(t, workspace+"/locked/config", "token")
	inOwnMounts(t, func() {
		source := workspace + "/locked"
		if err := unix.Mount(source, source, "", unix.MS_BIND, ""); err != nil {
			t.Error(err)
			return
		}
		if err := unix.Mount("", source, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
			return
		}
		for _, mount := range []plan.Mount{
			{Kind: "remove", Within: "workspace", Target: "locked/secret"},
			{Kind: "file", Within: "workspace", Target: "locked/config", Data: "clean", Mode: 0o644},
		} {
			if err := b.apply(mount); err != nil {
				t.Errorf("%s: %v", mount.Target, err)
				return
			}
		}
		if secret, config := filetest.Read(t, source+"/secret"), filetest.Read(t, source+"/config"); secret != "" || config != "clean" {
			t.Errorf("shows %q and %q", secret, config)
		}
	})
	if filetest.Read(t, workspace+"/locked/secret") != "key" || filetest.Read(t, workspace+"/locked/config") != "token" {
		t.Fatal("the host's own files changed")
	}
}

// The kernel refuses to remove what has no number in the id map, and to change a folder that has none, each in its own words.
func TestASecretOfAForeignGroupIsCovered(t *testing.T) {
	for name, c := range map[string]struct {
		foreign []string
		refusal error
	}{
		"folder": {[]string{"shared"}, unix.EACCES},
		"files":  {[]string{"shared/secret", "shared/config"}, unix.EOVERFLOW},
		"both":   {[]string{"shared", "shared/secret", "shared/config"}, unix.EOVERFLOW},
	} {
		t.Run(name, func(t *testing.T) { coverWhatIsForeign(t, c.foreign, c.refusal) })
	}
}

func coverWhatIsForeign(t *testing.T, foreign []string, refusal error) {
	b, _, outside := stage(t)
	put(t, outside+"/shared/secret", "key")
	put(t, outside+"/shared/config", "token")
	b.work.DropTo = &plan.Identity{UID: 54321, GID: 54321}
	b.idRanges = []plan.IDRange{{Inside: 0, Outside: 54321, Count: 1}}
	copied := false
	inOwnMounts(t, func() {
		for _, name := range foreign {
			if err := os.Chown(outside+"/"+name, 0, 70_000); err != nil {
				t.Error(err)
				return
			}
		}
		for _, mount := range []plan.Mount{
			{Kind: "bind", Source: outside, Target: "lower", ReadOnly: true, Map: true, Exact: true},
			{Kind: "tmpfs", Target: "run", Mode: 0o755},
			{Kind: "dir", Target: "run/upper", Mode: 0o755, Owned: true},
			{Kind: "dir", Target: "run/work", Mode: 0o755, Owned: true},
			{Kind: "overlay", Target: "workspace", Lower: "lower", Upper: "run"},
		} {
			if err := b.apply(mount); err != nil {
				t.Errorf("%s: %v", mount.Target, err)
				return
			}
		}
		workspace := b.stage + "/workspace/"
		var facts unix.Statfs_t
		if err := unix.Statfs(workspace, &facts); err != nil {
			t.Error(err)
			return
		}
		if copied = facts.Type != unix.OVERLAYFS_SUPER_MAGIC; copied {
			return
		}
		if err := os.Remove(workspace + "shared/secret"); !errors.Is(err, refusal) {
			t.Errorf("removing it by hand: %v", err)
		}
		for _, mount := range []plan.Mount{
			{Kind: "remove", Within: "workspace", Target: "shared/secret", Optional: true},
			{Kind: "file", Within: "workspace", Target: "shared/config", Data: "clean", Mode: 0o644, Owned: true, Optional: true},
		} {
			if err := b.apply(mount); err != nil {
				t.Errorf("%s: %v", mount.Target, err)
				return
			}
		}
		if secret, config := filetest.Read(t, workspace+"shared/secret"), filetest.Read(t, workspace+"shared/config"); secret != "" || config != "clean" {
			t.Errorf("shows %q and %q", secret, config)
		}
	})
	if copied {
		t.Skip("this system has no overlay with an id map, and a copy belongs to nobody else")
	}
	if filetest.Read(t, outside+"/shared/secret") != "key" || filetest.Read(t, outside+"/shared/config") != "token" {
		t.Fatal("the host's own files changed")
	}
}

func TestATmpfsHasItsSizeModeAndFlags(t *testing.T) {
	b, _, _ := stage(t)
	inOwnMounts(t, func() {
		if err := b.apply(plan.Mount{Kind: "tmpfs", Target: "tmp", Size: 1 << 20, Mode: 0o1777, NoExec: true}); err != nil {
			t.Error(err)
			return
		}
		var facts unix.Statfs_t
		if err := unix.Statfs(b.stage+"/tmp", &facts); err != nil {
			t.Error(err)
			return
		}
		if size := int64(facts.Blocks) * facts.Bsize; size != 1<<20 {
			t.Errorf("size is %d", size)
		}
		const want = unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC
		if facts.Flags&want != want {
			t.Errorf("flags are %x", facts.Flags)
		}
		if info, err := os.Stat(b.stage + "/tmp"); err != nil || info.Mode() != 0o777|os.ModeDir|os.ModeSticky {
			t.Errorf("mode is %v, %v", info.Mode(), err)
		}
	})
}

func TestTheIDMapShowsFilesUnderAnotherOwner(t *testing.T) {
	b, _, outside := stage(t)
	b.idRanges = []plan.IDRange{{Inside: 0, Outside: 54321, Count: 1}}
	var refused error
	inOwnMounts(t, func() {
		if refused = b.apply(plan.Mount{Kind: "bind", Source: outside, Target: "mapped", Map: true}); refused != nil {
			return
		}
		var info unix.Stat_t
		if err := unix.Stat(b.stage+"/mapped/file", &info); err != nil || info.Uid != 54321 || info.Gid != 54321 {
			t.Errorf("the file belongs to %d:%d, %v", info.Uid, info.Gid, err)
		}
	})
	if refused != nil {
		t.Skipf("this file system takes no id map: %v", refused)
	}
}

func TestDevicesAreTheHostsWhoeverMakesThem(t *testing.T) {
	b, _, _ := stage(t)
	inOwnMounts(t, func() {
		if err := b.apply(plan.Mount{Kind: "devices", Source: "/dev", Target: "dev", Names: []string{"null", "zero"}}); err != nil {
			t.Error(err)
			return
		}
		for _, name := range []string{"null", "zero"} {
			var host, shown unix.Stat_t
			if err := errors.Join(unix.Stat("/dev/"+name, &host), unix.Stat(b.stage+"/dev/"+name, &shown)); err != nil {
				t.Error(err)
				return
			}
			if shown.Rdev != host.Rdev || shown.Mode != unix.S_IFCHR|0o666 {
				t.Errorf("%s is %x, %o", name, shown.Rdev, shown.Mode)
			}
			if err := os.WriteFile(b.stage+"/dev/"+name, []byte("x"), 0); err != nil {
				t.Error(err)
			}
		}
	})
}
