package agent

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"agentkernel/guest/internal/wire"
)

const (
	// mostArguments and mostWord bound what is told of one command line: words, and bytes of each.
	mostArguments = 32
	mostWord      = 256
	// mostListed bounds the whole list, in bytes of JSON: a frame has room for 64 KiB.
	mostListed = 60_000
)

// listed is a process as the host sees it.
type listed struct {
	PID   int      `json:"pid"`
	PPID  int      `json:"ppid"`
	Argv  []string `json:"argv"`
	State string   `json:"state"`
	RSS   int64    `json:"rss"`
	CPUMS int64    `json:"cpu_ms"`
}

// stats serves the operation of that name: every process but ourselves, as many as fit.
func (a *agent) stats(s *wire.Stream) {
	list := struct {
		Processes []json.RawMessage `json:"processes"`
		Truncated bool              `json:"truncated"`
	}{Processes: []json.RawMessage{}}
	self, size := os.Getpid(), 0
	eachProcess(func(pid int) bool {
		p, lives := look(pid)
		if !lives || pid == self || !a.isOurs(p) {
			return true
		}
		text, err := json.Marshal(listed{p.pid, p.ppid, commandLine(pid), p.state, p.rss, p.cpuMS})
		if err != nil {
			return true
		}
		if size += len(text) + 1; size > mostListed {
			list.Truncated = true
			return false
		}
		list.Processes = append(list.Processes, text)
		return true
	})
	s.End(list)
}

// commandLine is the beginning of a process's arguments. A process may write there what it likes.
func commandLine(pid int) []string {
	var room [4096]byte
	text := readFile("/proc/"+strconv.Itoa(pid)+"/cmdline", room[:])
	if len(text) == 0 {
		return []string{}
	}
	words := strings.SplitN(strings.TrimSuffix(string(text), "\x00"), "\x00", mostArguments+1)
	if len(words) > mostArguments {
		words = words[:mostArguments]
	}
	for i, word := range words {
		if len(word) > mostWord {
			words[i] = strings.ToValidUTF8(word[:mostWord], "") + "…"
		}
	}
	return words
}
