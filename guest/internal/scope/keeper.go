package scope

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeeperMode is the mode of the process that keeps the scope alive: a unit without a process ends.
const KeeperMode = "scope-keeper"

// keeper is one that has been started and waits to hear whether it is needed.
type keeper struct {
	pid   int
	order int
}

// startKeeper starts one in a session of its own, with nothing open but /dev/null and the order it waits for.
func startKeeper(command []string) (*keeper, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(null)
	var order [2]int
	if err := unix.Pipe2(order[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	defer unix.Close(order[0])
	// Our caller may have left us descriptors, and this process outlives everybody who could close them.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		_ = unix.Close(order[1])
		return nil, err
	}
	pid, err := syscall.ForkExec(command[0], append([]string{"agentkernel-guest"}, command[1:]...), &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1"},
		Files: []uintptr{uintptr(order[0]), uintptr(null), uintptr(null)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		_ = unix.Close(order[1])
		return nil, err
	}
	return &keeper{pid: pid, order: order[1]}, nil
}

// stay tells the keeper that it is needed.
func (k *keeper) stay() error {
	_, err := unix.Write(k.order, []byte{1})
	if err == nil {
		k.pid = 0
	}
	return err
}

// dismiss ends the keeper, unless it was told to stay. If we are killed before, our end of the pipe closes and it ends.
func (k *keeper) dismiss() {
	_ = unix.Close(k.order)
	if k.pid == 0 {
		return
	}
	_ = unix.Kill(k.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(k.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// KeeperMain waits for the order to stay and then for the signal that ends it, which the manager sends at logout.
func KeeperMain() int {
	var order [1]byte
	for {
		count, err := unix.Read(0, order[:])
		if err == unix.EINTR {
			continue
		}
		if count != 1 {
			return 1
		}
		break
	}
	// The pipe is over. Standard output is /dev/null.
	if err := unix.Dup3(1, 0, 0); err != nil {
		return 1
	}
	for {
		_ = unix.Pause()
	}
}
