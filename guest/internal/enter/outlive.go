package enter

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

const (
	// ownEnd is how long the agent may take to end by itself when its orders have ended, in ms.
	ownEnd = 3000
	// sweepRounds and sweepPause bound how long we kill what is left.
	sweepRounds = 200
	sweepPause  = 10 * time.Millisecond
)

// wait returns how it ended.
func (c child) wait() int {
	for {
		var ended syscall.WaitStatus
		_, err := syscall.Wait4(c.pid, &ended, 0, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 125
		case ended.Signaled():
			return 128 + int(ended.Signal())
		default:
			return ended.ExitStatus()
		}
	}
}

// outlive returns when the agent has ended and nobody is left in its network, which is the one of this thread.
func (c child) outlive() int {
	if !c.endsBeforeOrders() {
		if !pollOne(unix.PollFd{Fd: int32(c.pidfd), Events: unix.POLLIN}, ownEnd) {
			_ = unix.PidfdSendSignal(c.pidfd, unix.SIGKILL, nil, 0)
		}
	}
	code := c.wait()
	var own unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &own); err != nil {
		return 125
	}
	for range sweepRounds {
		if sweep(own) == 0 {
			return code
		}
		time.Sleep(sweepPause)
	}
	return 125
}

// endsBeforeOrders waits for the agent or for the end of the orders, which says that the host does not want it any more.
func (c child) endsBeforeOrders() bool {
	look := []unix.PollFd{{Fd: int32(c.pidfd), Events: unix.POLLIN}, {Fd: plan.ControlFD}}
	for {
		if _, err := unix.Poll(look, -1); err != nil && err != unix.EINTR {
			return false
		}
		if look[0].Revents != 0 || look[1].Revents != 0 {
			return look[0].Revents != 0
		}
	}
}

func pollOne(what unix.PollFd, ms int) bool {
	look := []unix.PollFd{what}
	for {
		n, err := unix.Poll(look, ms)
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// sweep kills every process in a network namespace but ourselves, and tells how many there were. Their network is dead, but they
// would go on otherwise.
func sweep(network unix.Stat_t) int {
	folder, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1)
	self, found := os.Getpid(), 0
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == self || !livesIn("/proc/"+name, network) {
			continue
		}
		found++
		killOne(pid, network)
	}
	return found
}

// killOne kills a process if it is in the namespace still: its number may have a new owner.
func killOne(pid int, network unix.Stat_t) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(pidfd)
	if livesIn("/proc/"+strconv.Itoa(pid), network) {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	}
}

// livesIn looks at the process, or, where its first thread has ended, at the others.
func livesIn(process string, network unix.Stat_t) bool {
	is, err := inNetwork(process, network)
	if !errors.Is(err, unix.ENOENT) {
		return is
	}
	tasks, _ := os.ReadDir(process + "/task")
	for _, task := range tasks {
		if is, _ := inNetwork(process+"/task/"+task.Name(), network); is {
			return true
		}
	}
	return false
}

func inNetwork(task string, network unix.Stat_t) (bool, error) {
	var info unix.Stat_t
	err := unix.Stat(task+"/ns/net", &info)
	return err == nil && info.Dev == network.Dev && info.Ino == network.Ino, err
}
