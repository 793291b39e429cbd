package tun

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs check in a thread that has a network namespace of its own, and ends with it.
func inNamespace(t *testing.T, check func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace and /dev/net/tun")
	}
	done := make(chan bool)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			check()
		}
		done <- err == nil
	}()
	if !<-done {
		t.Skip("no network namespace here")
	}
}

func TestADeviceWithAddressesAndRoutes(t *testing.T) {
	inNamespace(t, func() {
		before := runtime.NumGoroutine()
		fd, err := Create()
		if err != nil {
			t.Errorf("Create: %v", err)
			return
		}
		defer func() { _ = unix.Close(fd) }()
		if after := runtime.NumGoroutine(); after != before {
			t.Errorf("%d goroutines were started", after-before)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("the descriptor blocks: %x, %v", flags, err)
		}
		checkDevice(t)
		if _, err := Open(); err == nil {
			t.Error("a second device of the same name")
		}
	})
}

func checkDevice(t *testing.T) {
	device, err := net.InterfaceByName(Name)
	if err != nil {
		t.Error(err)
		return
	}
	if device.MTU != MTU || device.Flags&net.FlagUp == 0 {
		t.Errorf("MTU %d, %v", device.MTU, device.Flags)
	}
	addresses, err := device.Addrs()
	var texts []string
	for _, address := range addresses {
		texts = append(texts, address.String())
	}
	// And no link-local address.
	if got := strings.Join(texts, " "); err != nil || got != "198.18.0.2/15 fd61:6b00::2/64" {
		t.Errorf("addresses %s, %v", got, err)
	}
	if loopback, err := net.InterfaceByName("lo"); err != nil || loopback.Flags&net.FlagUp == 0 {
		t.Errorf("the loopback device: %v, %v", loopback, err)
	}
	for _, to := range []unix.Sockaddr{
		&unix.SockaddrInet4{Port: 9, Addr: [4]byte{203, 0, 113, 1}},
		&unix.SockaddrInet6{Port: 9, Addr: [16]byte{0x20, 1, 0x0d, 0xb8, 15: 1}},
	} {
		family := unix.AF_INET
		if _, ok := to.(*unix.SockaddrInet6); ok {
			family = unix.AF_INET6
		}
		socket, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(socket, to)
			_ = unix.Close(socket)
		}
		if err != nil {
			t.Errorf("no route to %v: %v", to, err)
		}
	}
}

func TestWithoutADeviceConfigureSaysWhatIsMissing(t *testing.T) {
	inNamespace(t, func() {
		if err := Configure(); err == nil || !strings.Contains(err.Error(), Name) {
			t.Errorf("%v", err)
		}
	})
}
