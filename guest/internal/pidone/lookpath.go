package pidone

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lookPath finds the program as a shell does: a name with a slash as it is, any other in each folder of PATH. It
// returns the path, or the failing stage: "lookup" when nothing was found, "exec" when what was found cannot run.
func lookPath(spec *Spec) (program, stage string, err error) {
	name := spec.Argv[0]
	if name == "" {
		return "", "lookup", syscall.ENOENT
	}
	if strings.Contains(name, "/") {
		stage, err = executable(name)
		return name, stage, err
	}
	var denied string
	for _, folder := range strings.Split(pathOf(spec.Env), ":") {
		if folder == "" {
			continue
		}
		candidate := folder + "/" + name
		stage, err := executable(candidate)
		if err == nil {
			return candidate, "", nil
		}
		if stage == "exec" && denied == "" {
			denied = candidate
		}
	}
	if denied != "" {
		return denied, "exec", syscall.EACCES
	}
	return name, "lookup", syscall.ENOENT
}

func executable(path string) (stage string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return "exec", syscall.EACCES
		}
		return "lookup", syscall.ENOENT
	}
	if info.IsDir() {
		return "exec", syscall.EISDIR
	}
	if unix.Access(path, unix.X_OK) != nil {
		return "exec", syscall.EACCES
	}
	return "", nil
}

func pathOf(env []string) string {
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, "PATH="); found {
			return value
		}
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}
