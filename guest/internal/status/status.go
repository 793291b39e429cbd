// Package status is how the programs of a sandbox tell the host what happened: lines of JSON on one descriptor.
package status

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"agentkernel/guest/internal/jsontext"
)

// FD is the descriptor of the pipe that the host reads. Every stage up to process 1 inherits it; the workload does not.
const FD = 4

// Line is one message. Exactly one group of fields is set.
type Line struct {
	// Error names the stage that failed: "launch", "workdir", "lookup" or "exec".
	Error string `json:"error,omitempty"`
	// Step is what was tried, for people.
	Step string `json:"step,omitempty"`
	// Errno is the system's error number, 0 when there was none.
	Errno int `json:"errno,omitempty"`
	// Detail is the system's message.
	Detail string `json:"detail,omitempty"`

	// Ended is "exited" or "signaled".
	Ended string `json:"ended,omitempty"`
	// Code is the exit status or the signal's number.
	Code int `json:"code"`
	// MaxRSS is the largest resident set of one process that was waited for, in bytes.
	MaxRSS int64 `json:"max_rss,omitempty"`

	// Stopped says that the command was stopped by job control.
	Stopped bool `json:"stopped,omitempty"`
	// Copied says that the project was copied because there is no overlay.
	Copied bool `json:"copied,omitempty"`
	// Ungrouped says that the control groups could not be joined, and the limits hold for each process instead.
	Ungrouped bool `json:"ungrouped,omitempty"`
	// Started says that the command runs.
	Started bool `json:"started,omitempty"`
	// Network is Proxied when there is no network device and programs must use a proxy on the loopback; Detail says why.
	Network string `json:"network,omitempty"`
}

// Proxied is what Network says.
const Proxied = "proxy"

// Send writes one line. A reader that is gone is no reason to fail: the host side has died and takes us with it.
func Send(line Line) {
	_, _ = syscall.Write(FD, append(line.append(nil), '\n'))
}

// append writes the line as its tags say. Not by encoding/json: the sandbox's end would wait for that to start.
func (line Line) append(text []byte) []byte {
	text = append(text, '{')
	name := func(name string) {
		if text[len(text)-1] != '{' {
			text = append(text, ',')
		}
		text = append(jsontext.AppendString(text, name), ':')
	}
	words := func(key, value string) {
		if value != "" {
			name(key)
			text = jsontext.AppendString(text, value)
		}
	}
	yes := func(key string, value bool) {
		if value {
			name(key)
			text = append(text, "true"...)
		}
	}
	number := func(key string, value int64, always bool) {
		if value != 0 || always {
			name(key)
			text = strconv.AppendInt(text, value, 10)
		}
	}
	words("error", line.Error)
	words("step", line.Step)
	number("errno", int64(line.Errno), false)
	words("detail", line.Detail)
	words("ended", line.Ended)
	number("code", int64(line.Code), true)
	number("max_rss", line.MaxRSS, false)
	yes("stopped", line.Stopped)
	yes("copied", line.Copied)
	yes("ungrouped", line.Ungrouped)
	yes("started", line.Started)
	words("network", line.Network)
	return append(text, '}')
}

// Fail reports an error of a stage with its errno and returns the exit status for it.
func Fail(stage, step string, err error) int {
	line := Line{Error: stage, Step: step, Detail: err.Error()}
	var number syscall.Errno
	if errors.As(err, &number) {
		line.Errno = int(number)
		line.Detail = number.Error()
	}
	var path *os.PathError
	if errors.As(err, &path) {
		line.Step = step + " " + path.Path
	}
	Send(line)
	return 125
}
