package netstack

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"agentkernel/guest/internal/tun"
)

// handOver is from how many bytes on a packet keeps the buffer that it was read into. Smaller ones get one of their size: a packet that
// waits never holds more than twice its bytes, or else small packets would cost a hundred times what the window allows.
const handOver = 32 << 10

// readBytes is the room for a packet: the largest that buffers are pooled for.
const readBytes = buffer.MaxChunkSize

// udpChecksumOffset is where a UDP header has its checksum.
const udpChecksumOffset = 6

// link is the TUN device as a link of the stack. Checksums are left out on both sides: nothing leaves this machine.
type link struct {
	file       *os.File
	raw        syscall.RawConn
	dispatcher stack.NetworkDispatcher
	closed     atomic.Bool
}

func openLink(fd int) (*link, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), tun.Name)
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &link{file: file, raw: raw}, nil
}

func (l *link) close() {
	l.closed.Store(true)
	_ = l.file.Close()
}

// read calls receive for each packet until the device is gone.
func (l *link) read(receive func(packet []byte, take func() *stack.PacketBuffer)) error {
	var (
		head   [tun.HeaderBytes]byte
		room   = buffer.NewViewSize(readBytes)
		n      int
		failed syscall.Errno
	)
	take := func() *stack.PacketBuffer {
		size := n - tun.HeaderBytes
		if size < handOver {
			return packetOf(buffer.NewViewWithData(room.AsSlice()[:size]))
		}
		room.CapLength(size)
		packet := packetOf(room)
		room = buffer.NewViewSize(readBytes)
		return packet
	}
	attempt := func(fd uintptr) bool {
		n, failed = readv(fd, head[:], room.AsSlice())
		return failed != unix.EAGAIN
	}
	for {
		if err := l.raw.Read(attempt); err != nil {
			if l.closed.Load() {
				return nil
			}
			return err
		}
		switch {
		case failed == unix.EINTR:
		case failed != 0:
			return failed
		case n > tun.HeaderBytes:
			receive(room.AsSlice()[:n-tun.HeaderBytes], take)
		}
	}
}

func packetOf(view *buffer.View) *stack.PacketBuffer {
	return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(view)})
}

func readv(fd uintptr, head, room []byte) (int, syscall.Errno) {
	parts := [2]unix.Iovec{{Base: &head[0], Len: uint64(len(head))}, {Base: &room[0], Len: uint64(len(room))}}
	n, _, errno := unix.Syscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&parts)), uintptr(len(parts)))
	return int(n), errno
}

// deliver gives a packet to the stack.
func (l *link) deliver(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) {
	if l.dispatcher != nil {
		l.dispatcher.DeliverNetworkPacket(protocol, packet)
	}
}

// send writes a packet that is complete, checksums included. What the kernel does not take is lost, as on any link.
func (l *link) send(packet []byte) {
	var plain [tun.HeaderBytes]byte
	_ = l.raw.Control(func(fd uintptr) { _, _ = unix.Writev(int(fd), [][]byte{plain[:], packet}) })
}

// WritePackets writes packets of the stack. It may be called by several goroutines at once.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	written := 0
	err := l.raw.Control(func(fd uintptr) {
		for _, packet := range packets.AsSlice() {
			parts := make([][]byte, 1, 8)
			begin := virtioHeader(packet)
			parts[0] = begin[:]
			views, first := packet.AsViewList()
			for view := views.Front(); view != nil; view = view.Next() {
				bytes := view.AsSlice()
				skip := min(first, len(bytes))
				first -= skip
				if len(bytes) > skip {
					parts = append(parts, bytes[skip:])
				}
			}
			if _, err := unix.Writev(int(fd), parts); err != nil {
				return
			}
			written++
		}
	})
	if err != nil {
		return 0, &tcpip.ErrClosedForSend{}
	}
	return written, nil
}

// virtioHeader tells the kernel that a checksum may stay as it is: in the packet is the part of it that the kernel would begin with, in
// case something in the sandbox passes the packet on.
func virtioHeader(packet *stack.PacketBuffer) (head [tun.HeaderBytes]byte) {
	network, transport := packet.NetworkHeader().Slice(), packet.TransportHeader().Slice()
	var at int
	switch packet.TransportProtocolNumber {
	case header.TCPProtocolNumber:
		at = header.TCPChecksumOffset
	case header.UDPProtocolNumber:
		at = udpChecksumOffset
	default:
		return head
	}
	if len(transport) < at+2 {
		return head
	}
	address := packet.Network()
	size := uint16(len(transport) + packet.Data().Size())
	sum := header.PseudoHeaderChecksum(packet.TransportProtocolNumber, address.SourceAddress(), address.DestinationAddress(), size)
	transport[at], transport[at+1] = byte(sum>>8), byte(sum)
	// struct virtio_net_hdr: flags, type, header length, segment size, where the checksum begins and where it goes.
	head[0] = tun.NeedsChecksum
	put := func(offset, value int) { head[offset], head[offset+1] = nativeBytes(uint16(value)) }
	put(6, len(network))
	put(8, at)
	return head
}

func nativeBytes(value uint16) (first, second byte) {
	bytes := (*[2]byte)(unsafe.Pointer(&value))
	return bytes[0], bytes[1]
}
