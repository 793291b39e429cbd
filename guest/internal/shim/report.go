package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/status"
)

// mostReported bounds what is passed on: a pipe holds as much without a reader.
const mostReported = 32 << 10

// report is the pipe to who started us. It may be gone at any time: we then go on without.
type report struct {
	mu     sync.Mutex
	fd     int
	sent   int
	failed bool
}

// line passes one line of the launch helper or the agent on.
func (r *report) line(text []byte) {
	var line status.Line
	if json.Unmarshal(text, &line) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || line.Error != ""
	r.write(text)
}

// ready is the last line of a start that succeeded.
func (r *report) ready(self identity) {
	r.last(map[string]any{"ready": true, "pid": self.PID, "start_time": self.StartTime})
}

// fail is the last line of one that did not, unless what failed has said so itself.
func (r *report) fail(step string, err error) {
	line := map[string]any{"error": "launch", "step": step, "detail": err.Error()}
	var number syscall.Errno
	if errors.As(err, &number) {
		line["errno"] = int(number)
	}
	r.mu.Lock()
	said := r.failed
	r.mu.Unlock()
	if said {
		line = nil
	}
	r.last(line)
}

func (r *report) last(line map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return
	}
	if line != nil {
		if text, err := json.Marshal(line); err == nil {
			r.sent = 0
			r.write(text)
		}
	}
	_ = unix.Close(r.fd)
	r.fd = -1
}

func (r *report) write(text []byte) {
	if r.fd < 0 || r.sent+len(text) > mostReported {
		return
	}
	r.sent += len(text) + 1
	_, _ = unix.Write(r.fd, append(bytes.Clone(text), '\n'))
}

// relayStatus passes the lines of the sandbox on until it closes its end.
func relayStatus(from *os.File, to *report) {
	defer from.Close()
	buffer := make([]byte, 0, 4096)
	for {
		if len(buffer) == cap(buffer) {
			// A line as long as that is none of ours.
			buffer = buffer[:0]
		}
		n, err := from.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		for {
			text, rest, found := bytes.Cut(buffer, []byte{'\n'})
			if !found {
				break
			}
			to.line(text)
			buffer = buffer[:copy(buffer, rest)]
		}
		if err != nil {
			return
		}
	}
}
