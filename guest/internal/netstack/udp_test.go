package netstack

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

func dialUDP(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(tooLong))
	return conn
}

func TestDatagramsGoBothWaysWithTheirBorders(t *testing.T) {
	for name, address := range map[string]string{"IPv4": "198.18.0.1:53", "IPv6": "[2001:db8::9]:1234"} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan opened, 1)
			begin(t, Options{}, func(s *wire.Stream, o opened) { asked <- o; echo(s, o) })
			conn := dialUDP(t, address)
			most := mostIPv4
			if name == "IPv6" {
				most = mostIPv6
			}
			for _, size := range []int{5, 0, 1, 1472, 9000, most} {
				text := bytes.Repeat([]byte{byte(size)}, size)
				if _, err := conn.Write(text); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 1<<16)
				n, err := conn.Read(got)
				if err != nil || !bytes.Equal(got[:n], text) {
					t.Fatalf("%d bytes: %d came back, %v", size, n, err)
				}
			}
			host, port, _ := net.SplitHostPort(address)
			number, _ := strconv.Atoi(port)
			if got := <-asked; got != (opened{"udp", host, number, "tun"}) {
				t.Fatalf("asked for %+v", got)
			}
		})
	}
}

// The kernel cuts a datagram that is longer than the MTU; the host gets it whole.
func TestADatagramInPiecesArrivesWhole(t *testing.T) {
	sizes := make(chan int, 1)
	begin(t, Options{}, func(s *wire.Stream, _ opened) {
		n := 0
		for n < 65_527+lengthBytes {
			m, err := s.Recv()
			if err != nil {
				break
			}
			n += len(m.Data)
		}
		sizes <- n
		s.End(struct{}{})
	})
	conn := dialUDP(t, "[2001:db8::9]:1234")
	if _, err := conn.Write(make([]byte, 65_527)); err != nil {
		t.Fatal(err)
	}
	if n := <-sizes; n != 65_527+lengthBytes {
		t.Fatalf("%d bytes", n)
	}
}

func TestDatagramsAreCutOutOfAnyBytes(t *testing.T) {
	begin(t, Options{}, func(s *wire.Stream, _ opened) {
		connected(s)
		_, _ = s.Recv()
		for _, b := range []byte("\x03\x00one\x00\x00\x05\x00three") {
			_ = s.Write(wire.Out, []byte{b})
		}
		<-s.Canceled()
	})
	conn := dialUDP(t, "198.18.1.7:1234")
	_, _ = conn.Write([]byte("x"))
	for _, want := range []string{"one", "", "three"} {
		got := make([]byte, 100)
		if n, err := conn.Read(got); err != nil || string(got[:n]) != want {
			t.Fatalf("%q, %v", got[:n], err)
		}
	}
}

// QUIC: the host refuses, and a client must know at once to fall back to TCP.
func TestARefusedFlowIsAnUnreachablePortAtOnce(t *testing.T) {
	for _, address := range []string{"203.0.113.9:443", "[2001:db8::9]:443"} {
		begin(t, Options{}, func(s *wire.Stream, _ opened) { s.Fail("refused", "QUIC", 0) })
		conn := dialUDP(t, address)
		start := time.Now()
		_, _ = conn.Write([]byte("initial"))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%s: %v", address, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Fatalf("%s: only after %v", address, took)
		}
	}
}

func TestAnIdleFlowEndsAndBeginsAgain(t *testing.T) {
	ended := make(chan struct{}, 10)
	p := begin(t, Options{UDPIdle: 80 * time.Millisecond}, func(s *wire.Stream, o opened) { echo(s, o); ended <- struct{}{} })
	conn := dialUDP(t, "198.18.1.7:1234")
	for round := range 2 {
		_, _ = conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		<-ended
	}
	if p.streams.Load() != 2 {
		t.Fatalf("%d streams", p.streams.Load())
	}
}

func TestALookupEndsSoonAfterItsAnswer(t *testing.T) {
	ended := make(chan int, 10)
	begin(t, Options{DNSIdle: 50 * time.Millisecond}, func(s *wire.Stream, o opened) { echo(s, o); ended <- o.Port })
	for _, address := range []string{"198.18.0.1:54", "198.18.0.1:53"} {
		conn := dialUDP(t, address)
		_, _ = conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if port := <-ended; port != 53 {
		t.Fatalf("port %d ended first", port)
	}
}

func TestTheNumberOfFlowsIsBounded(t *testing.T) {
	p := begin(t, Options{UDPFlows: 10}, echo)
	refused := 0
	for i := range 30 {
		conn := dialUDP(t, "198.18.1.7:"+strconv.Itoa(1000+i))
		_, _ = conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNREFUSED) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != 20 || p.streams.Load() != 10 {
		t.Fatalf("%d refused, %d streams", refused, p.streams.Load())
	}
	// Names are still looked up.
	conn := dialUDP(t, "198.18.0.1:53")
	_, _ = conn.Write([]byte("x"))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// ping sends an echo request and returns the type of the first answer, or an error.
func ping(t *testing.T, address string) (kind byte, err error) {
	t.Helper()
	to := net.ParseIP(address)
	family, protocol, request := unix.AF_INET6, unix.IPPROTO_ICMPV6, []byte{128, 0, 0, 0, 0, 7, 0, 1, 'x'}
	var place unix.Sockaddr = &unix.SockaddrInet6{Addr: [16]byte(to.To16())}
	if v4 := to.To4(); v4 != nil {
		family, protocol, request = unix.AF_INET, unix.IPPROTO_ICMP, []byte{8, 0, 0xf7, 0xf7, 0, 7, 0, 1}
		place = &unix.SockaddrInet4{Addr: [4]byte(v4)}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	limit := unix.Timeval{Usec: 300_000}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	if err := unix.Connect(fd, place); err != nil {
		t.Fatal(err)
	}
	if family == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	} else {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
	if _, err := unix.Write(fd, request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 200)
	if _, err := unix.Read(fd, answer); err != nil {
		return 0, err
	}
	if family == unix.AF_INET {
		return answer[20], nil
	}
	return answer[0], nil
}

func TestOnlyTheGatewayAnswersPing(t *testing.T) {
	p := begin(t, Options{}, echo)
	for address, want := range map[string]byte{"198.18.0.1": 0, "fd61:6b00::1": 129} {
		if kind, err := ping(t, address); err != nil || kind != want {
			t.Errorf("%s: %d, %v", address, kind, err)
		}
	}
	for _, address := range []string{"198.18.1.7", "203.0.113.9", "2001:db8::9"} {
		if kind, err := ping(t, address); !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.EACCES) {
			t.Errorf("%s: %d, %v", address, kind, err)
		}
	}
	if p.streams.Load() != 0 {
		t.Error("the host heard of it")
	}
}
