// Command agentkernel-guest-net is process 1 of a sandbox with a network: agentkernel-guest with a network stack, and without what is
// for the host.
//
//	agentkernel-guest-net init N [E T]                starts the command and reports how it ended
//	agentkernel-guest-net agent N [M [E T]]           in a sandbox that stays: serves the guest protocol
//	agentkernel-guest-net agent-apart N M E T         the same for one command with a network of its own, and not as process 1
//	agentkernel-guest-net stage PROGRAM ARGUMENTS…    in a sandbox that stays: sets limits and filter, then becomes a command
//
// E and T are the descriptors of the network: see package egress.
package main

import (
	"agentkernel/guest/internal/egress"
	"agentkernel/guest/internal/program"
)

func main() { program.Main(program.Inside(egress.Open)) }
