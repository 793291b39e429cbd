package agent

import "agentkernel/guest/internal/wire"

// features are what the hello names; see docs/guest-protocol.md.
var features = []string{"exec", "stats", "shutdown"}

// operations says who serves which operation, each in a goroutine of its own, and answers with End or Fail.
func (a *agent) operations() map[string]func(*wire.Stream) {
	return map[string]func(*wire.Stream){
		"exec":     a.exec,
		"stats":    a.stats,
		"shutdown": a.shutdown,
	}
}
