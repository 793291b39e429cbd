package launch

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
)

func TestInsideRefusesTargetsThatLeadOut(t *testing.T) {
	stage := filetest.Make(t, map[string]string{"tmp/": "", "var/tmp": "-> ../tmp", "out": "-> /"})
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
