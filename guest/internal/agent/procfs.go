package agent

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is what /proc says of one. Everything in it was written by the workload or is about it, so nothing is trusted to be short
// or well formed.
type process struct {
	pid, ppid, session int
	state              string
	// onTerminal says that a terminal controls it.
	onTerminal bool
	// rss is in bytes, cpuMS in milliseconds of all its threads together.
	rss, cpuMS int64
}

// ticks is how many times a second Linux counts processor time, for every program.
const ticks = 100

// eachProcess calls take with the number of each process until it returns false.
func eachProcess(take func(pid int) bool) {
	folder, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer folder.Close()
	for {
		names, err := folder.Readdirnames(128)
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil && pid > 0 && !take(pid) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readFile reads the beginning of a file into room.
func readFile(path string, room []byte) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, room)
	if err != nil {
		return nil
	}
	return room[:n]
}

// writeFile writes to a file of /proc. It may be gone, or not ours.
func writeFile(path string, content []byte) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(fd, content)
	_ = unix.Close(fd)
}

// look reads what /proc says of a process; false when it is gone.
func look(pid int) (process, bool) {
	var room [1024]byte
	return parseStat(pid, readFile("/proc/"+strconv.Itoa(pid)+"/stat", room[:]))
}

// parseStat reads /proc/PID/stat. The name in it, in parentheses, may hold anything, parentheses too.
func parseStat(pid int, text []byte) (process, bool) {
	after := bytes.LastIndexByte(text, ')')
	if after < 0 {
		return process{}, false
	}
	fields := bytes.Fields(text[after+1:])
	// Of proc_pid_stat(5), counted from state, which is its third.
	const stateAt, ppidAt, sessionAt, terminalAt, userAt, systemAt, rssAt = 0, 1, 3, 4, 11, 12, 21
	if len(fields) <= rssAt {
		return process{}, false
	}
	number := func(at int) int64 {
		n, err := strconv.ParseInt(string(fields[at]), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return process{
		pid: pid, ppid: int(number(ppidAt)), session: int(number(sessionAt)), state: string(fields[stateAt]),
		onTerminal: number(terminalAt) != 0,
		rss:        number(rssAt) * int64(os.Getpagesize()),
		cpuMS:      (number(userAt) + number(systemAt)) * (1000 / ticks),
	}, true
}

// killWhere kills every process of which is is true, and those that they start meanwhile.
func killWhere(is func(process) bool) {
	const rounds = 10
	self := os.Getpid()
	for range rounds {
		killed := false
		eachProcess(func(pid int) bool {
			if p, lives := look(pid); lives && pid != self && p.state != "Z" && is(p) {
				killed = syscall.Kill(pid, syscall.SIGKILL) == nil || killed
			}
			return true
		})
		if !killed {
			return
		}
	}
}
