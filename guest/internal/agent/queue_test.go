package agent

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// queueSignal sends a signal with a siginfo of the sender's making.
func queueSignal(pid, number int, info *[32]int32) {
	_, _, _ = unix.RawSyscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(number), uintptr(unsafe.Pointer(info)))
}
