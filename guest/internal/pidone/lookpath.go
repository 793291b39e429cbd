package pidone

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// LookPath finds the program of that name as a shell does: a name with a slash as it is, any other in each folder of the PATH in
// env. It returns the path, or the failing stage: "lookup" when nothing was found, "exec" when what was found cannot run.
// Relative names are looked for from dir, and returned as they are; without dir, from where we stand.
func LookPath(name string, env []string, dir string) (program, stage string, err error) {
	if name == "" {
		return "", "lookup", syscall.ENOENT
	}
	if strings.Contains(name, "/") {
		stage, err = executable(from(dir, name))
		return name, stage, err
	}
	var denied string
	for _, folder := range strings.Split(pathOf(env), ":") {
		if folder == "" {
			continue
		}
		candidate := folder + "/" + name
		stage, err := executable(from(dir, candidate))
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

func from(dir, name string) string {
	if dir == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return dir + "/" + name
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
