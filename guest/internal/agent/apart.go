package agent

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/uplink"
)

// ApartMode is that of an agent for one command that has a network of its own. Unlike process 1 it comes into a sandbox where others of
// the same user are, who would like to have its end of that network.
//
//	agentkernel-guest-net agent-apart N M E T
const ApartMode = string(plan.Apart)

// lastWords is how long what the command sent may take to be with the gateway after its end.
const lastWords = 2 * time.Second

// ApartMain serves as Main does. Whoever started us (package enter) gave us a capability, without which everybody could look into us
// until we forbid it. Then it must go from every thread, and not by an exec, which would forget that.
func ApartMain(args []string, open uplink.Open) int {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return status.Fail("launch", "protect the agent", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 {
		return status.Fail("launch", "drop capabilities", errno)
	}
	return Main(args, open)
}

// finishNetwork lets arrive what commands sent before they ended. Where we are process 1, nobody waits for that: the sandbox ends.
func (a *agent) finishNetwork() {
	if a.network != nil && !a.first {
		a.network.Finish(lastWords)
	}
}
