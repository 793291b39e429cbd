// Package uplink is what process 1 knows of its sandbox's network. Package egress serves one; only the program for sandboxes with a
// network has that, because its network stack costs each start of a program more than a millisecond, used or not.
package uplink

import (
	"errors"
	"time"
)

// Network is the network of a sandbox. Where a sandbox has none, it is nil.
type Network interface {
	// Serve begins to serve, and returns at once. When the connection to the gateway ends, so does the network, and everything
	// else goes on.
	Serve()
	// Environment is a command's environment with the variables that it needs to find the network.
	Environment(env []string) []string
	// Finish waits until what programs sent before they ended is with the gateway, at most that long. Without it, the last words
	// of a command would be lost with us: the kernel promises to deliver what was written to a socket, also when the program has
	// ended. It belongs after the end of everything else in the namespace. Where nothing was ever sent it returns at once.
	Finish(limit time.Duration)
}

// Open makes ready what commands need before they start. Nothing is served before Serve. The arguments are the last ones of process 1
// and name descriptors, which it keeps from everything that we start; without arguments there is no network. The version is that of
// the whole program, for the gateway.
type Open func(arguments []string, version string) (Network, error)

// None is the Open of a program that can serve no network. It refuses one: the sandbox would seem to have it.
func None(arguments []string, _ string) (Network, error) {
	if len(arguments) > 0 {
		return nil, errors.New("this program serves no network")
	}
	return nil, nil
}
