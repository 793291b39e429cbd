package agent

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/pidone"
)

// StageMode is the mode of this program that a command begins as where limits or a filter are to be set: neither can be done from
// outside, and between fork and exec no Go code may run.
//
//	agentkernel-guest stage PROGRAM ARGUMENTS…
//
// Descriptor 3 has the agent's orders; to descriptor 4 it writes the number of the error when it fails. Both are gone after exec.
const StageMode = "stage"

const (
	stageOrdersFD = 3
	stageReportFD = 4
	// ownProgram is this program, also where the workload has replaced the file.
	ownProgram = "/proc/self/exe"
)

func stageArguments(program string, argv []string) []string {
	return append([]string{"agentkernel-guest", StageMode, program}, argv...)
}

// StageMain becomes the command.
func StageMain(args []string) int {
	unix.CloseOnExec(stageOrdersFD)
	unix.CloseOnExec(stageReportFD)
	number := errnoOf(become(args))
	_, _ = unix.Write(stageReportFD, binary.LittleEndian.AppendUint32(nil, uint32(number)))
	return gone
}

func become(args []string) error {
	if len(args) < 2 {
		return syscall.EINVAL
	}
	o, err := readOrders(stageOrdersFD)
	if err != nil {
		return err
	}
	// We are on the thread that execs; only it matters.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := pidone.SetLimits(o.limits); err != nil {
		return err
	}
	environment := os.Environ()
	if err := filterCalls(o.seccomp); err != nil {
		return err
	}
	return syscall.Exec(args[0], args[1:], environment)
}

// filterCalls installs a seccomp program on this thread.
func filterCalls(program []byte) error {
	const instruction = 8
	if len(program) == 0 {
		return nil
	}
	if len(program)%instruction != 0 || len(program) > instruction*4096 {
		return syscall.EINVAL
	}
	code := make([]unix.SockFilter, len(program)/instruction)
	for i := range code {
		at := program[i*instruction:]
		code[i] = unix.SockFilter{
			Code: binary.NativeEndian.Uint16(at), Jt: at[2], Jf: at[3], K: binary.NativeEndian.Uint32(at[4:]),
		}
	}
	filter := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}

// stageReport is how the stage tells that it failed. When it succeeds, the kernel closes its end.
type stageReport struct{ read, write *os.File }

func newStageReport() (*stageReport, error) {
	read, write, err := pipe(true)
	if err != nil {
		return nil, err
	}
	return &stageReport{read, write}, nil
}

// failure waits until the stage has become the command, or says why it has not.
func (r *stageReport) failure() error {
	_ = r.write.Close()
	var number [4]byte
	n, _ := r.read.Read(number[:])
	if n < len(number) {
		return nil
	}
	return syscall.Errno(binary.LittleEndian.Uint32(number[:]))
}

func (r *stageReport) close() {
	_ = r.read.Close()
	_ = r.write.Close()
}
