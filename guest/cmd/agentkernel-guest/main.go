// Command agentkernel-guest is the small static program on both sides of a sandbox's wall.
//
//	agentkernel-guest launch-as-root|launch-as-user   on the host: cgroups, mounts, id map, then becomes bubblewrap
//	agentkernel-guest scope [try]                     on the host: a place for control groups, from the user's systemd
//	agentkernel-guest keep copy|remove|end            on the host: files and processes of sandboxes that stay
//	agentkernel-guest shim                            on the host: keeps a sandbox and the output of its commands, outlives the daemon
//	agentkernel-guest init N [E T]                    in the sandbox: process 1, starts the command and reports how it ended
//	agentkernel-guest agent N [M [E T]]               in a sandbox that stays: process 1, serves the guest protocol
//	agentkernel-guest stage PROGRAM ARGUMENTS…        in a sandbox that stays: sets limits and filter, then becomes a command
//
// Those that run commands take everything they need from descriptors, so that neither an argument list nor an environment shows it.
package main

import (
	"os"
	"runtime"

	"agentkernel/guest/internal/agent"
	"agentkernel/guest/internal/keep"
	"agentkernel/guest/internal/launch"
	"agentkernel/guest/internal/pidone"
	"agentkernel/guest/internal/scope"
	"agentkernel/guest/internal/shim"
)

func init() {
	// Namespaces and credentials belong to a thread. The main goroutine keeps the main thread, which then execs.
	runtime.LockOSThread()
}

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "launch-as-root":
		os.Exit(launch.Main(true))
	case "launch-as-user":
		os.Exit(launch.Main(false))
	case launch.StageTwo:
		os.Exit(launch.MainInUserNamespace(os.Args[2:]))
	case "shim":
		os.Exit(shim.Main())
	case "init":
		os.Exit(pidone.Main())
	case "agent":
		os.Exit(agent.Main(os.Args[2:]))
	case agent.StageMode:
		os.Exit(agent.StageMain(os.Args[2:]))
	case "keep":
		os.Exit(keep.Main(os.Args[2:]))
	case "scope":
		os.Exit(scope.Main(os.Args[2:]))
	case scope.KeeperMode:
		os.Exit(scope.KeeperMain())
	default:
		os.Stderr.WriteString("agentkernel-guest is started by agentkernel; run `agentkernel --help`\n")
		os.Exit(2)
	}
}
