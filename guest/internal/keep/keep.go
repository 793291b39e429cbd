// Package keep does what the daemon cannot do by itself for a sandbox that stays: work that takes long, in folders that hostile code
// filled, and signals that must reach one process and no other.
//
//	keep copy                      makes the private copy of a project; orders on descriptor 0
//	keep remove FOLDER             removes a folder, whatever is in it
//	keep end PID START GRACE_MS    ends the process PID that started at START, by SIGTERM and, after the grace, SIGKILL
//
// A failure is one line of JSON on descriptor 1, as package status has them.
package keep

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/trees"
)

// Main returns the exit status.
func Main(arguments []string) int {
	unix.Umask(0)
	// Whoever started us repeats what we do not finish.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return report("parent", err)
	}
	switch {
	case len(arguments) == 1 && arguments[0] == "copy":
		return report(copyProject(os.Stdin))
	case len(arguments) == 2 && arguments[0] == "remove":
		return report("remove "+arguments[1], trees.Remove(arguments[1]))
	case len(arguments) == 4 && arguments[0] == "end":
		return report("end process "+arguments[1], endProcess(arguments[1:]))
	default:
		return report("arguments", syscall.EINVAL)
	}
}

func report(step string, err error) int {
	if err == nil {
		return 0
	}
	line := status.Line{Error: "keep", Step: step, Detail: err.Error()}
	var number syscall.Errno
	if errors.As(err, &number) {
		line.Errno = int(number)
	}
	text, _ := json.Marshal(line)
	_, _ = os.Stdout.Write(append(text, '\n'))
	return 1
}

// copyOrders are the orders of copy.
type copyOrders struct {
	// Source is the project; a symlink anywhere in its path was put there since the host resolved it. Target does not exist.
	Source string `json:"source"`
	Target string `json:"target"`
	// Hidden and the paths of Replaced are relative to Source.
	Hidden   []string `json:"hidden"`
	Replaced []struct {
		Path    string `json:"path"`
		Content string `json:"content"`
	} `json:"replaced"`
	// Owner is who gets the copy.
	Owner struct {
		UID int `json:"uid"`
		GID int `json:"gid"`
	} `json:"owner"`
}

func copyProject(from io.Reader) (string, error) {
	var orders copyOrders
	if err := json.NewDecoder(from).Decode(&orders); err != nil {
		return "orders", err
	}
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	source, err := unix.Openat2(unix.AT_FDCWD, orders.Source, &how)
	if err != nil {
		return "open " + orders.Source, err
	}
	work := trees.Copy{To: trees.Owner{UID: orders.Owner.UID, GID: orders.Owner.GID}, Hidden: orders.Hidden, Replaced: map[string]string{}}
	for _, file := range orders.Replaced {
		work.Replaced[file.Path] = file.Content
	}
	if err := os.Mkdir(orders.Target, 0o755); err != nil {
		_ = unix.Close(source)
		return "target", err
	}
	return "copy " + orders.Source, work.Copy(source, orders.Target)
}

// endProcess resolves when the process is no more. One that is gone, or whose number is somebody else's now, is a success.
func endProcess(arguments []string) error {
	pid, errPID := strconv.Atoi(arguments[0])
	graceMs, errGrace := strconv.Atoi(arguments[2])
	if err := errors.Join(errPID, errGrace); err != nil {
		return err
	}
	if pid < 2 || graceMs < 0 {
		return syscall.EINVAL
	}
	return end(pid, arguments[1], graceMs)
}
