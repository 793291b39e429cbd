package keep

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// killWait is how long a process may take to end once it is killed: the kernel may be busy. Whoever asks for the end has limits, too.
const killWait = 6 * time.Second

var errStays = errors.New("it does not end, although it was killed")

// end ends one process. The descriptor is opened first and the start time is read then: whatever the number means later, the
// descriptor stays that of the process we looked at.
func end(pid int, startTime string, graceMs int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if started, err := startTimeOf(pid); err != nil || started != startTime {
		return nil
	}
	if graceMs > 0 {
		if ended, err := signalAndWait(fd, unix.SIGTERM, time.Duration(graceMs)*time.Millisecond); ended || err != nil {
			return err
		}
	}
	ended, err := signalAndWait(fd, unix.SIGKILL, killWait)
	if err == nil && !ended {
		err = errStays
	}
	return err
}

// signalAndWait tells whether the process has ended within the limit. Its parent may not have waited for it yet.
func signalAndWait(fd int, number unix.Signal, limit time.Duration) (bool, error) {
	if err := unix.PidfdSendSignal(fd, number, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return true, nil
		}
		return false, err
	}
	deadline := time.Now().Add(limit)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		return n > 0, err
	}
}

// startTimeOf is field 22 of a process's stat file. The name of the program, field 2, may hold anything, so the last parenthesis
// ends it.
func startTimeOf(pid int) (string, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const index = 22 - 3
	if len(fields) <= index {
		return "", errors.New("the stat file is too short")
	}
	return string(fields[index]), nil
}
