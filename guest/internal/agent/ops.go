package agent

import (
	"maps"

	"agentkernel/guest/internal/files"
	"agentkernel/guest/internal/ports"
	"agentkernel/guest/internal/wire"
)

// features are what the hello names; see docs/guest-protocol.md.
var features = []string{"exec", "files", "watch", "tar", "connect", "stats", "shutdown"}

// operations says who serves which operation, each in a goroutine of its own, and answers with End or Fail.
func (a *agent) operations() map[string]func(*wire.Stream) {
	all := files.Operations()
	maps.Copy(all, map[string]func(*wire.Stream){
		"exec":     a.exec,
		"connect":  ports.Connect,
		"stats":    a.stats,
		"shutdown": a.shutdown,
	})
	return all
}
