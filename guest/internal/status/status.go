// Package status is how the programs of a sandbox tell the host what happened: lines of JSON on one descriptor.
package status

import (
	"encoding/json"
	"errors"
	"os"
	"syscall"
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
}

// Send writes one line. A reader that is gone is no reason to fail: the host side has died and takes us with it.
func Send(line Line) {
	text, err := json.Marshal(line)
	if err != nil {
		return
	}
	_, _ = syscall.Write(FD, append(text, '\n'))
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
