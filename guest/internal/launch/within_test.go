package launch

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
	"agentkernel/guest/internal/plan"
)

// stage makes a stage with a workspace and a folder outside of it that nothing may touch.
func stage(t *testing.T) (b *builder, workspace, outside string) {
	t.Helper()
	filetest.NoMask(t)
	root := filetest.Make(t, map[string]string{"outside/file": "mine", "outside/folder/file": "mine", "stage/workspace/": ""})
	b = &builder{stage: root + "/stage", work: &plan.Plan{}, idMap: -1}
	return b, root + "/stage/workspace", root + "/outside"
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveWithinTakesTheFileAndNothingElse(t *testing.T) {
	b, workspace, _ := stage(t)
	put(t, workspace+"/a/b/secret", "key")
	put(t, workspace+"/a/b/other", "text")
	put(t, workspace+"/secret", "key")
	for _, target := range []string{"a/b/secret", "secret"} {
		if err := b.apply(plan.Mount{Kind: "remove", Within: "workspace", Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	if got := filetest.Names(t, workspace); !reflect.DeepEqual(got, []string{"a", "a/b", "a/b/other"}) {
		t.Fatalf("left %q", got)
	}
}

func TestFileWithinReplacesTheFile(t *testing.T) {
	b, workspace, _ := stage(t)
	put(t, workspace+"/.git/config", "token")
	mount := plan.Mount{Kind: "file", Within: "workspace", Target: ".git/config", Data: "clean", Mode: 0o644, Owned: true}
	if err := b.apply(mount); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(workspace + "/.git/config")
	if err != nil || info.Mode().Perm() != 0o644 || filetest.Read(t, workspace+"/.git/config") != "clean" {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	// The old file may be the host's own, shown by a link: it is never written to.
	put(t, workspace+"/one", "token")
	if err := os.Link(workspace+"/one", workspace+"/two"); err != nil {
		t.Fatal(err)
	}
	if err := b.apply(plan.Mount{Kind: "file", Within: "workspace", Target: "one", Data: "clean", Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if filetest.Read(t, workspace+"/two") != "token" {
		t.Error("the other name of the file changed too")
	}
}

func TestWithinNeverGoesThroughASymlinkOrOut(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, workspace, outside string) (target string){
		"a folder that leads out": func(t *testing.T, workspace, outside string) string {
			link(t, outside, workspace+"/a")
			return "a/file"
		},
		"a folder that leads out, further up": func(t *testing.T, workspace, outside string) string {
			link(t, outside, workspace+"/a")
			return "a/folder/file"
		},
		"a folder that leads out, relatively": func(t *testing.T, workspace, _ string) string {
			put(t, workspace+"/sub/x", "")
			link(t, "../../../outside", workspace+"/sub/a")
			return "sub/a/file"
		},
		"a folder that leads elsewhere in the project": func(t *testing.T, workspace, _ string) string {
			put(t, workspace+"/real/file", "mine")
			link(t, "real", workspace+"/a")
			return "a/file"
		},
		"a way up": func(*testing.T, string, string) string { return "../../outside/file" },
		"a way up from below": func(t *testing.T, workspace, _ string) string {
			put(t, workspace+"/a/x", "")
			return "a/../../../outside/file"
		},
	} {
		for _, kind := range []string{"remove", "file", "bind"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				b, workspace, outside := stage(t)
				target := prepare(t, workspace, outside)
				err := b.apply(plan.Mount{Kind: kind, Within: "workspace", Target: target, Source: outside, Data: "changed", Mode: 0o644})
				if !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.EXDEV) {
					t.Errorf("error = %v", err)
				}
				for _, file := range []string{outside + "/file", outside + "/folder/file"} {
					if filetest.Read(t, file) != "mine" {
						t.Errorf("%s changed", file)
					}
				}
				if real, err := os.ReadFile(workspace + "/real/file"); err == nil && string(real) != "mine" {
					t.Error("the file in the project changed")
				}
			})
		}
	}
}

func TestWithinTakesASymlinkItselfNotWhatItLeadsTo(t *testing.T) {
	b, workspace, outside := stage(t)
	for _, kind := range []string{"remove", "file"} {
		link(t, outside+"/file", workspace+"/secret")
		if err := b.apply(plan.Mount{Kind: kind, Within: "workspace", Target: "secret", Data: "clean", Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if filetest.Read(t, outside+"/file") != "mine" {
			t.Fatalf("%s changed what the symlink leads to", kind)
		}
	}
	if filetest.Read(t, workspace+"/secret") != "clean" {
		t.Error("the symlink was not replaced")
	}
}

func TestAFileIsMadeOnlyWhereThereIsNone(t *testing.T) {
	b, workspace, outside := stage(t)
	link(t, outside+"/file", workspace+"/link")
	put(t, workspace+"/file", "mine")
	parent, err := unix.Open(workspace, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(parent)
	// Somebody puts another file there between the removal of the old one and this.
	for _, name := range []string{"link", "file"} {
		if err := b.createFile(parent, name, plan.Mount{Data: "changed", Mode: 0o644}); err == nil {
			t.Errorf("%s was overwritten", name)
		}
	}
	if filetest.Read(t, outside+"/file") != "mine" || filetest.Read(t, workspace+"/file") != "mine" {
		t.Fatal("a file changed")
	}
}

func TestWithinPassesOverOnlyWhatIsNotThere(t *testing.T) {
	b, workspace, outside := stage(t)
	link(t, outside, workspace+"/a")
	put(t, workspace+"/file", "")
	for _, target := range []string{"missing", "missing/deeper", "file/below", "a/file"} {
		if step, err := b.applyAll([]plan.Mount{{Kind: "remove", Within: "workspace", Target: target, Optional: true}}); err != nil {
			t.Errorf("%s: %s: %v", target, step, err)
		}
		if step, err := b.applyAll([]plan.Mount{{Kind: "remove", Within: "workspace", Target: target}}); err == nil || step != "remove "+target {
			t.Errorf("%s is needed, but: %q, %v", target, step, err)
		}
	}
	// A folder where a secret was: what cannot be hidden must not be shown.
	put(t, workspace+"/secret/x", "")
	if _, err := b.applyAll([]plan.Mount{{Kind: "remove", Within: "workspace", Target: "secret", Optional: true}}); err == nil {
		t.Error("a folder in the place of a secret was passed over")
	}
	if _, err := b.applyAll([]plan.Mount{{Kind: "tmpfs", Within: "workspace", Target: "file", Optional: true}}); err == nil {
		t.Error("an unknown step was passed over")
	}
}

func TestAWorkspaceThatIsNotThereFails(t *testing.T) {
	b, _, _ := stage(t)
	if err := b.apply(plan.Mount{Kind: "remove", Within: "elsewhere", Target: "x"}); !errors.Is(err, unix.ENOENT) {
		t.Fatalf("error = %v", err)
	}
}
