package launch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/plan"
)

// covering is a stage that is a file system of its own, with a folder of the host in it, and the file to show.
func covering(t *testing.T, work func(b *builder, certificate string)) {
	t.Helper()
	filetest.NoMask(t)
	root := filetest.Make(t, map[string]string{
		"stage/": "", "host/bundle": "the host's", "host/to-bundle": "-> bundle", "host/to-root": "-> /etc/bundle", "host/folder/": "",
		"ca": "ours",
	})
	inOwnMounts(t, func() {
		b := &builder{stage: root + "/stage", work: &plan.Plan{}, idMap: -1}
		err := unix.Mount("tmpfs", b.stage, "tmpfs", 0, "mode=755")
		if err == nil {
			b.stageFD, err = open(unix.AT_FDCWD, b.stage, unix.O_PATH|unix.O_DIRECTORY, 0)
		}
		if err == nil {
			err = b.apply(plan.Mount{Kind: "bind", Source: root + "/host", Target: "etc/host", ReadOnly: true})
		}
		if err == nil {
			err = os.WriteFile(b.stage+"/etc/bundle", []byte("the stage's"), 0o644)
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(b.stageFD)
		work(b, root+"/ca")
	})
	for name, want := range map[string]string{"/host/bundle": "the host's", "/ca": "ours"} {
		if got := filetest.Read(t, root+name); got != want {
			t.Errorf("%s on the host holds %q", name, got)
		}
	}
	if got := filetest.Names(t, root+"/host"); len(got) != 4 {
		t.Errorf("the host's folder has %q", got)
	}
}

func TestAFileIsShownInThePlaceOfAnother(t *testing.T) {
	covering(t, func(b *builder, certificate string) {
		for target, shows := range map[string]string{
			"etc/bundle":      "etc/bundle",
			"etc/host/bundle": "etc/host/bundle",
			"new/folder/file": "new/folder/file",
			"etc/fresh":       "etc/fresh",
			"/etc/leading":    "etc/leading",
		} {
			if err := b.apply(plan.Mount{Kind: "cover", Source: certificate, Target: target}); err != nil {
				t.Errorf("%s: %v", target, err)
				continue
			}
			if got, _ := os.ReadFile(filepath.Join(b.stage, shows)); string(got) != "ours" {
				t.Errorf("%s shows %q", shows, got)
			}
			if err := os.WriteFile(filepath.Join(b.stage, shows), nil, 0); !errors.Is(err, unix.EROFS) {
				t.Errorf("%s can be written: %v", shows, err)
			}
		}
	})
}

func TestACoverFollowsLinksAsTheyWillLeadInside(t *testing.T) {
	covering(t, func(b *builder, certificate string) {
		// To /etc/bundle of the stage, not of the host.
		if err := b.apply(plan.Mount{Kind: "cover", Source: certificate, Target: "etc/host/to-root"}); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(b.stage + "/etc/bundle"); string(got) != "ours" {
			t.Errorf("what the link leads to shows %q", got)
		}
		if err := b.apply(plan.Mount{Kind: "cover", Source: certificate, Target: "etc/host/to-bundle"}); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(b.stage + "/etc/host/bundle"); string(got) != "ours" {
			t.Errorf("what the link leads to shows %q", got)
		}
	})
}

func TestAFolderOfTheHostGetsNoNewFile(t *testing.T) {
	covering(t, func(b *builder, certificate string) {
		for _, target := range []string{"etc/host/missing", "etc/host/folder/missing", "etc/host/missing/deeper"} {
			if err := b.apply(plan.Mount{Kind: "cover", Source: certificate, Target: target}); err != nil {
				t.Errorf("%s: %v", target, err)
			}
			if _, err := os.Lstat(b.stage + "/" + target); !os.IsNotExist(err) {
				t.Errorf("%s is there", target)
			}
		}
	})
}

func TestACoverThatCannotBeShownFails(t *testing.T) {
	covering(t, func(b *builder, certificate string) {
		for _, mount := range []plan.Mount{
			{Kind: "cover", Source: certificate + "-missing", Target: "etc/bundle"},
			{Kind: "cover", Source: certificate, Target: "etc/host"},
			{Kind: "cover", Source: certificate, Target: "etc/bundle/below"},
		} {
			if err := b.apply(mount); err == nil {
				t.Errorf("%s over %s is shown", mount.Source, mount.Target)
			}
		}
	})
}
