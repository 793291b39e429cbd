package netstack

import (
	"encoding/binary"
	"math/rand"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"agentkernel/guest/internal/tun"
	"agentkernel/guest/internal/wire"
)

// rawSocket sends packets that the test writes whole, IP header included, as a program with CAP_NET_RAW in the sandbox could.
func rawSocket(t testing.TB) func(packet []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	device, err := net.InterfaceByName(tun.Name)
	if err != nil {
		t.Fatal(err)
	}
	return func(packet []byte) {
		protocol := uint16(unix.ETH_P_IP)
		if len(packet) > 0 && packet[0]>>4 == 6 {
			protocol = unix.ETH_P_IPV6
		}
		to := &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: device.Index}
		_ = unix.Sendto(fd, packet, 0, to)
	}
}

func syn(from tcpip.Address, srcPort uint16) []byte {
	packet := head(tcpip.AddrFrom4([4]byte{203, 0, 113, 9}), from, header.TCPProtocolNumber, header.TCPMinimumSize)
	segment := make(header.TCP, header.TCPMinimumSize)
	segment.Encode(&header.TCPFields{SrcPort: srcPort, DstPort: 80, SeqNum: 1, DataOffset: 20, Flags: header.TCPFlagSyn, WindowSize: 1000})
	return append(packet, segment...)
}

func TestAFloodOfSYNsIsBounded(t *testing.T) {
	const most = 50
	p := begin(t, Options{SYNs: most}, func(s *wire.Stream, _ opened) { <-s.Canceled() })
	send := rawSocket(t)
	for port := range 20_000 {
		send(syn(sandbox4, uint16(1024+port)))
	}
	await(t, "the streams", func() bool { return p.streams.Load() >= most })
	time.Sleep(100 * time.Millisecond)
	if n := p.streams.Load(); n != most {
		t.Fatalf("%d streams, %d may be on their way", n, most)
	}
	if n := runtime.NumGoroutine(); n > 4*most+50 {
		t.Fatalf("%d goroutines", n)
	}
	// Names can still be looked up.
	conn := dialUDP(t, "198.18.0.1:53")
	_, _ = conn.Write([]byte("x"))
	await(t, "a lookup", func() bool { return p.streams.Load() == most+1 })
}

func TestAFloodOfSYNsThatNobodyStandsBehindEnds(t *testing.T) {
	p := begin(t, Options{SYNs: 50}, echo)
	send := rawSocket(t)
	for port := range 2000 {
		send(syn(sandbox4, uint16(20_000+port)))
	}
	// The kernel resets what it does not know, so that the network works again at once.
	await(t, "the flood", func() bool { return p.streams.Load() > 0 })
	conn := dial(t, "198.18.1.7:80")
	exchange(t, conn, 1000)
}

func TestPacketsFromOtherAddressesGoNowhere(t *testing.T) {
	p := begin(t, Options{}, echo)
	send := rawSocket(t)
	for _, from := range [][4]byte{{198, 18, 0, 3}, {127, 0, 0, 1}, {10, 0, 0, 1}, {198, 18, 0, 1}, {255, 255, 255, 255}} {
		send(syn(tcpip.AddrFrom4(from), 1024))
	}
	send(syn(sandbox4, 1024))
	await(t, "the stream", func() bool { return p.streams.Load() > 0 })
	time.Sleep(50 * time.Millisecond)
	if n := p.streams.Load(); n != 1 {
		t.Fatalf("%d streams", n)
	}
}

func TestOtherProtocolsGoNowhere(t *testing.T) {
	for protocol := range 256 {
		if protocol == int(header.TCPProtocolNumber) || protocol == int(header.UDPProtocolNumber) {
			continue
		}
		for _, ends := range [][2]tcpip.Address{{tcpip.AddrFrom4([4]byte{203, 0, 113, 9}), sandbox4}, {gateway4, sandbox4}, {gateway6, sandbox6}} {
			packet := append(head(ends[0], ends[1], tcpip.TransportProtocolNumber(protocol), 40), make([]byte, 40)...)
			if got := parse(packet).verdict; got != drop {
				t.Errorf("protocol %d to %s: %d", protocol, ends[0], got)
			}
		}
	}
	for _, to := range []tcpip.Address{
		tcpip.AddrFrom4([4]byte{224, 0, 0, 251}), tcpip.AddrFrom4([4]byte{255, 255, 255, 255}), tcpip.AddrFrom4([4]byte{127, 0, 0, 1}),
		tcpip.AddrFrom4([4]byte{}), sandbox4,
	} {
		if got := parse(append(head(to, sandbox4, header.UDPProtocolNumber, 8), make([]byte, 8)...)).verdict; got != drop {
			t.Errorf("to %s: %d", to, got)
		}
	}
}

// Whatever a raw socket sends: nothing breaks, and the network goes on.
func TestGarbageIsSurvived(t *testing.T) {
	p := begin(t, Options{SYNs: 64, Connect: time.Second, UDPIdle: 20 * time.Millisecond}, func(s *wire.Stream, o opened) {
		if o.Port == 80 {
			echo(s, o)
			return
		}
		s.Fail("refused", "no", 0)
	})
	send := rawSocket(t)
	random := rand.New(rand.NewSource(7))
	for range 30_000 {
		send(garbage(random))
	}
	conn := dial(t, "198.18.1.7:80")
	exchange(t, conn, 100_000)
	if p.streams.Load() < 2 {
		t.Error("none of it came through the first look")
	}
}

// garbage is a packet that is right in its first bytes and anything after that.
func garbage(random *rand.Rand) []byte {
	body := make([]byte, random.Intn(200))
	random.Read(body)
	protocols := []tcpip.TransportProtocolNumber{6, 6, 17, 1, 58, 44}
	protocol := protocols[random.Intn(len(protocols))]
	var packet []byte
	if random.Intn(2) == 0 {
		packet = head(tcpip.AddrFrom4([4]byte{203, 0, 113, byte(random.Intn(4))}), sandbox4, protocol, len(body))
		if random.Intn(4) == 0 {
			binary.BigEndian.PutUint16(packet[6:], uint16(random.Intn(1<<16)))
		}
	} else {
		packet = head(tcpip.AddrFrom16([16]byte{0x20, 1, 15: byte(random.Intn(4))}), sandbox6, protocol, len(body))
	}
	if len(body) > 14 && random.Intn(2) == 0 {
		body[12] = 0x50 // A TCP header that is as long as it says.
	}
	packet = append(packet, body...)
	for range random.Intn(3) {
		packet[1+random.Intn(len(packet)-1)] = byte(random.Intn(256))
	}
	return packet
}

func FuzzParse(f *testing.F) {
	f.Add(syn(sandbox4, 1))
	f.Add(append(head(gateway6, sandbox6, header.UDPProtocolNumber, 8), make([]byte, 8)...))
	f.Add([]byte{0x45})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		p := parse(packet)
		if p.verdict != drop && p.from != sandbox4 && p.from != sandbox6 {
			t.Fatalf("%x from %s", packet, p.from)
		}
		if p.verdict == prohibit {
			answer := unreachable(p.from, gatewayOf(p.from), prohibited, packet[:min(len(packet), quotedBytes)])
			if len(answer) > quotedBytes+header.IPv6MinimumSize+header.ICMPv6DstUnreachableMinimumSize {
				t.Fatalf("an answer of %d bytes", len(answer))
			}
		}
	})
}
