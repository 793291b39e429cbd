package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// netlink is a socket to the kernel's network configuration. Messages are in the byte order of the machine.
type netlink int

func dialNetlink() (netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("ask the kernel about the network: %w", err)
	}
	return netlink(fd), nil
}

func (s netlink) close() { _ = unix.Close(int(s)) }

// do sends one request and waits for the kernel's yes or no.
func (s netlink) do(kind, flags uint16, body []byte) error {
	message := number(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	message = append(number(number(message, 1), 0), body...)
	if err := unix.Sendto(int(s), message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var answer [4096]byte
	for {
		n, _, err := unix.Recvfrom(int(s), answer[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		const errorAt = unix.SizeofNlMsghdr
		if n < errorAt+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
			return errors.New("the kernel gave another answer than asked for")
		}
		if code := int32(binary.NativeEndian.Uint32(answer[errorAt:])); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	}
}

// index is the number of a device.
func (s netlink) index(name string) (uint32, error) {
	var request ifreq
	copy(request.name[:], name)
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("find the device %s: %w", name, err)
	}
	defer func() { _ = unix.Close(socket) }()
	if err := ioctl(socket, unix.SIOCGIFINDEX, unsafe.Pointer(&request)); err != nil {
		return 0, fmt.Errorf("find the device %s: %w", name, err)
	}
	return *(*uint32)(unsafe.Pointer(&request.flags)), nil
}

func number(to []byte, value uint32) []byte { return binary.NativeEndian.AppendUint32(to, value) }

// linkMessage is struct ifinfomsg: flags that are to be set.
func linkMessage(index, flags uint32) []byte {
	message := number([]byte{unix.AF_UNSPEC, 0, 0, 0}, index)
	return number(number(message, flags), flags)
}

func attribute(to []byte, kind uint16, value []byte) []byte {
	to = binary.NativeEndian.AppendUint16(to, uint16(4+len(value)))
	to = append(binary.NativeEndian.AppendUint16(to, kind), value...)
	for len(to)%4 != 0 {
		to = append(to, 0)
	}
	return to
}

func attributeNumber(to []byte, kind uint16, value uint32) []byte {
	return attribute(to, kind, number(nil, value))
}
