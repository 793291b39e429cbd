package netstack

import (
	"runtime"
	"runtime/debug"
	"time"
)

// quiet is how long after the last end of a connection we give memory back. Go by itself takes minutes for that, and a thousand
// connections at once leave tens of megabytes.
const quiet = 3 * time.Second

// newTidy makes the timer that gives memory back. It is set at each end of a connection.
func newTidy() *time.Timer {
	timer := time.AfterFunc(quiet, func() {
		// Buffers in pools survive one collection.
		runtime.GC()
		debug.FreeOSMemory()
	})
	timer.Stop()
	return timer
}
