// Package tun makes the network device of a sandbox: the only way out of its network namespace.
//
// Everything happens in the calling thread, which is in that namespace, through system calls alone: no goroutines, no other
// programs. So a launcher may call it and then become another program, which takes the descriptor along.
//
//	fd, err := tun.Create()   // needs CAP_NET_ADMIN over the namespace
//
// Packets on the descriptor begin with a header of HeaderBytes (struct virtio_net_hdr), so that neither side has to compute checksums of
// what never leaves this machine.
package tun

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Name of the device in the sandbox.
	Name = "tun0"
	// MTU is the largest packet that IP knows: fewest system calls for a byte.
	MTU = 65_535
	// HeaderBytes stand before each packet.
	HeaderBytes = 10
	// NeedsChecksum in the first byte of the header: the checksum of TCP or UDP is not computed yet.
	NeedsChecksum = 1
	// DataValid in the first byte of the header: the checksum need not be looked at.
	DataValid = 2

	device = "/dev/net/tun"
	// offloadChecksum is TUN_F_CSUM.
	offloadChecksum = 1
	// queueLength is how many packets wait for a slow reader before the kernel drops.
	queueLength = 1000
)

// Addresses in every sandbox; src/contract/network.ts has the same.
var (
	// Sandbox4 and Sandbox6 are the sandbox's own.
	Sandbox4 = [4]byte{198, 18, 0, 2}
	Sandbox6 = [16]byte{0xfd, 0x61, 0x6b, 15: 2}
	// Gateway4 and Gateway6 are the host's end: DNS, and an answer to ping.
	Gateway4 = [4]byte{198, 18, 0, 1}
	Gateway6 = [16]byte{0xfd, 0x61, 0x6b, 15: 1}
)

const (
	prefix4 = 15
	prefix6 = 64
)

// Create opens the device in the calling thread's network namespace and configures it and the loopback device. The descriptor does not
// block and closes on exec. The device exists as long as the descriptor is open in some process.
func Create() (fd int, err error) {
	fd, err = Open()
	if err != nil {
		return -1, err
	}
	if err := Configure(); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// ifreq is struct ifreq with flags.
type ifreq struct {
	name  [unix.IFNAMSIZ]byte
	flags uint16
	_     [22]byte
}

// Open makes the device, without addresses, and returns its descriptor. Errors name the step and wrap the system's:
// ENOENT, ENODEV, EACCES and EPERM mean that this machine gives us none.
func Open() (fd int, err error) {
	fd, err = unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", device, err)
	}
	request := ifreq{flags: unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR}
	copy(request.name[:], Name)
	if err := ioctl(fd, unix.TUNSETIFF, unsafe.Pointer(&request)); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("make the device %s: %w", Name, err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloadChecksum); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("set up the device %s: %w", Name, err)
	}
	return fd, nil
}

func ioctl(fd int, request uint, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
