// Command agentkernel-guest is the small static program on both sides of a sandbox's wall.
//
//	agentkernel-guest launch-as-root|launch-as-user   on the host: cgroups, mounts, id map, then becomes bubblewrap
//	agentkernel-guest scope [try]                     on the host: a place for control groups, from the user's systemd
//	agentkernel-guest keep copy|remove|end            on the host: files and processes of sandboxes that stay
//	agentkernel-guest shim                            on the host: keeps a sandbox and the output of its commands, outlives the daemon
//	agentkernel-guest enter-as-root|enter-as-user     on the host: puts an agent with a network of its own into a sandbox that runs
//	agentkernel-guest init N                          in the sandbox: process 1, starts the command and reports how it ended
//	agentkernel-guest agent N [M]                     in a sandbox that stays: process 1, serves the guest protocol
//	agentkernel-guest stage PROGRAM ARGUMENTS…        in a sandbox that stays: sets limits and filter, then becomes a command
//
// Those that run commands take everything they need from descriptors, so that neither an argument list nor an environment shows it.
//
// In a sandbox with a network, agentkernel-guest-net takes its place. This one must not contain the network stack: it is started several
// times for each sandbox, and the stack would cost each of them more than a millisecond.
package main

import (
	"maps"

	"agentkernel/guest/internal/enter"
	"agentkernel/guest/internal/keep"
	"agentkernel/guest/internal/launch"
	"agentkernel/guest/internal/program"
	"agentkernel/guest/internal/scope"
	"agentkernel/guest/internal/shim"
	"agentkernel/guest/internal/uplink"
)

func main() {
	modes := program.Inside(uplink.None)
	maps.Copy(modes, program.Modes{
		"launch-as-root": func([]string) int { return launch.Main(true) },
		"launch-as-user": func([]string) int { return launch.Main(false) },
		launch.StageTwo:  launch.MainInUserNamespace,
		enter.AsRoot:     func([]string) int { return enter.MainAsRoot() },
		enter.AsUser:     func([]string) int { return enter.MainAsUser() },
		enter.StageTwo:   enter.MainInUserNamespace,
		"shim":           func([]string) int { return shim.Main() },
		"keep":           keep.Main,
		"scope":          scope.Main,
		scope.KeeperMode: func([]string) int { return scope.KeeperMain() },
	})
	program.Main(modes)
}
