package tun

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Loopback makes 127.0.0.1 and ::1 work in a fresh network namespace; the kernel adds the addresses by itself. Configure does so too.
func Loopback() error {
	socket, err := dialNetlink()
	if err != nil {
		return err
	}
	defer socket.close()
	loopback, err := socket.index("lo")
	if err != nil {
		return err
	}
	if err := socket.up(loopback); err != nil {
		return fmt.Errorf("start the loopback device: %w", err)
	}
	return nil
}

// Outlive lets the device end with its namespace, which the kernel does in its own time, and not with its last descriptor: who holds
// that would wait tens of milliseconds for it at its end. Nobody can take the device over meanwhile: it has one queue, which is in use;
// inside there is no way to open one; and where there is another user than the sandbox's, it is theirs. Where it fails, the end is slow.
func Outlive(device int) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(device), unix.TUNSETOWNER, uintptr(unix.Geteuid()))
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(device), unix.TUNSETPERSIST, 1)
}
