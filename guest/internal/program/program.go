// Package program is the main function of the two programs of this module, each with its own table of modes.
package program

import (
	"os"
	"runtime"

	"agentkernel/guest/internal/agent"
	"agentkernel/guest/internal/pidone"
	"agentkernel/guest/internal/uplink"
)

func init() {
	// Namespaces and credentials belong to a thread. The main goroutine keeps the main thread, which then execs.
	runtime.LockOSThread()
}

// Modes are what a program can be told to do by its first argument. Each gets the arguments after that and returns the exit status.
type Modes map[string]func(arguments []string) int

// Inside are the modes of process 1 of a sandbox, and of what it starts itself as. open makes its network.
func Inside(open uplink.Open) Modes {
	return Modes{
		"init":          func(arguments []string) int { return pidone.Main(arguments, open) },
		"agent":         func(arguments []string) int { return agent.Main(arguments, open) },
		agent.ApartMode: func(arguments []string) int { return agent.ApartMain(arguments, open) },
		agent.StageMode: agent.StageMain,
	}
}

// Main does what the first argument says, and does not return. It must be called by the main function.
func Main(modes Modes) {
	if len(os.Args) > 1 {
		if run, known := modes[os.Args[1]]; known {
			os.Exit(run(os.Args[2:]))
		}
	}
	_, _ = os.Stderr.WriteString("this program is started by agentkernel; run `agentkernel --help`\n")
	os.Exit(2)
}
