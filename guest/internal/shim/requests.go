package shim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// mostArguments is how many bytes of a command's arguments lists show.
const mostArguments = 4096

// execRequest is what we look at of a command to start; the agent gets it as it came.
type execRequest struct {
	ID     string          `json:"id"`
	Argv   []string        `json:"argv"`
	TTY    json.RawMessage `json:"tty"`
	Detach bool            `json:"detach"`
	// Network says that the command has a network of its own.
	Network bool `json:"network"`
}

type attachRequest struct {
	ID     string `json:"id"`
	Stdout int64  `json:"stdout"`
	Stderr int64  `json:"stderr"`
	Stdin  bool   `json:"stdin"`
	Follow *bool  `json:"follow"`
}

type signalRequest struct {
	ID     string `json:"id"`
	Signal int    `json:"signal"`
}

type idRequest struct {
	ID string `json:"id"`
}

type shutdownRequest struct {
	GraceMS int64 `json:"grace_ms"`
}

// result is how a command ended: what the agent said, as far as it makes sense.
type result struct {
	Ended      string `json:"ended"`
	Status     *int   `json:"status,omitempty"`
	Signal     int    `json:"signal,omitempty"`
	DurationMS int64  `json:"duration_ms"`
	MaxRSS     int64  `json:"max_rss,omitempty"`
}

// sane tells whether the agent's word can be passed on.
func (r *result) sane() bool {
	if r.DurationMS < 0 || r.MaxRSS < 0 || r.Signal < 0 || r.Signal > 64 || (r.Status != nil && (*r.Status < 0 || *r.Status > 255)) {
		return false
	}
	switch r.Ended {
	case "exited":
		return r.Status != nil
	case "signaled":
		return r.Signal > 0
	}
	return r.Ended == "timed_out" || r.Ended == "canceled"
}

// span is what a log keeps of a channel.
type span struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// listed is a command as lists show it.
type listed struct {
	ID          string   `json:"id"`
	Argv        []string `json:"argv"`
	PID         int      `json:"pid"`
	TTY         bool     `json:"tty"`
	Detach      bool     `json:"detach"`
	StartedAtMS int64    `json:"started_at_ms"`
	Running     bool     `json:"running"`
	Result      *result  `json:"result,omitempty"`
	Stdout      span     `json:"stdout"`
	Stderr      span     `json:"stderr"`
}

// validID tells whether a command may be called that: 1 to 64 of A-Z, a-z, 0-9, _ and -.
func validID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			continue
		}
		return false
	}
	return len(id) >= 1 && len(id) <= 64
}

// forAgent is a request to start a command as its agent gets it. To the agent no command is detached, because we never let go of one and a
// CANCEL of ours always means its end. Nor does it know of other networks than its own.
func forAgent(payload json.RawMessage) (json.RawMessage, error) {
	members, err := membersBut(payload, "detach", "network")
	if err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// membersBut are those of a request but some. Whoever reads it may take names as loosely as we do.
func membersBut(payload json.RawMessage, names ...string) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, err
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(names, func(unwanted string) bool { return strings.EqualFold(name, unwanted) })
	})
	return members, nil
}

// withTag is a flow that bears this tag and no other; with "", none.
func withTag(payload json.RawMessage, tag string) (json.RawMessage, error) {
	members, err := membersBut(payload, "tag")
	if err != nil {
		return nil, err
	}
	if tag != "" {
		if members["tag"], err = json.Marshal(tag); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members)
}

// firstArguments is the beginning of argv that is short enough to be kept; the last of it may be cut.
func firstArguments(argv []string) []string {
	kept, left := []string{}, mostArguments
	for _, arg := range argv {
		if len(arg) > left {
			if len(kept) == 0 {
				cut := left
				for cut > 0 && !utf8.RuneStart(arg[cut]) {
					cut--
				}
				kept = append(kept, string([]byte(arg[:cut])))
			}
			break
		}
		kept = append(kept, arg)
		left -= len(arg)
	}
	return kept
}
