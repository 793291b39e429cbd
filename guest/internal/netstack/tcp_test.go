package netstack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

// somewhere are addresses that nobody on this machine has, one of each kind.
var somewhere = map[string]string{"IPv4": "198.18.1.7:80", "IPv4 elsewhere": "203.0.113.9:443", "IPv6": "[2001:db8::9]:80"}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, tooLong)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(tooLong))
	return conn.(*net.TCPConn)
}

func TestAConnectionBecomesAStreamWithItsAddress(t *testing.T) {
	for name, address := range somewhere {
		t.Run(name, func(t *testing.T) {
			asked := make(chan opened, 1)
			begin(t, Options{}, func(s *wire.Stream, o opened) { asked <- o; echo(s, o) })
			conn := dial(t, address)
			host, port, _ := net.SplitHostPort(address)
			number, _ := strconv.Atoi(port)
			if got := <-asked; got != (opened{"tcp", host, number, "tun"}) {
				t.Fatalf("asked for %+v", got)
			}
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			_ = conn.CloseWrite()
			if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
				t.Fatalf("%q, %v", got, err)
			}
		})
	}
}

func TestTheProgramWaitsUntilTheHostHasConnected(t *testing.T) {
	release, dialled := make(chan struct{}), make(chan error, 1)
	p := begin(t, Options{}, func(s *wire.Stream, o opened) { <-release; echo(s, o) })
	go func() {
		conn, err := net.DialTimeout("tcp", "203.0.113.9:80", tooLong)
		if err == nil {
			_ = conn.Close()
		}
		dialled <- err
	}()
	await(t, "the stream", func() bool { return p.streams.Load() == 1 })
	select {
	case err := <-dialled:
		t.Fatalf("connected before the host was: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-dialled; err != nil {
		t.Fatal(err)
	}
}

func TestRefusalsReachTheProgram(t *testing.T) {
	for code, want := range map[string]error{
		"refused": syscall.ECONNREFUSED, "denied": syscall.ECONNREFUSED, "invalid": syscall.ECONNREFUSED,
		"too_many_streams": syscall.ECONNREFUSED, "unreachable": syscall.EHOSTUNREACH, "timed_out": syscall.EHOSTUNREACH,
	} {
		for name, address := range somewhere {
			t.Run(code+" "+name, func(t *testing.T) {
				begin(t, Options{}, func(s *wire.Stream, _ opened) { s.Fail(code, "no", 0) })
				start := time.Now()
				_, err := net.DialTimeout("tcp", address, tooLong)
				if !errors.Is(err, want) {
					t.Fatalf("%v, want %v", err, want)
				}
				if took := time.Since(start); took > 900*time.Millisecond {
					t.Fatalf("only after %v: a second SYN", took)
				}
			})
		}
	}
}

func TestAHostThatNeverAnswersIsUnreachable(t *testing.T) {
	canceled := make(chan struct{})
	begin(t, Options{Connect: 50 * time.Millisecond}, func(s *wire.Stream, _ opened) { <-s.Canceled(); close(canceled) })
	if _, err := net.DialTimeout("tcp", "203.0.113.9:80", tooLong); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Fatal(err)
	}
	<-canceled
}

func TestBigTransfersArriveWhole(t *testing.T) {
	const size = 100 << 20
	content := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(content)
	whole := sha256.New()
	for range size / len(content) {
		whole.Write(content)
	}
	want := whole.Sum(nil)
	for name, address := range somewhere {
		t.Run("up "+name, func(t *testing.T) {
			sums := make(chan []byte, 1)
			begin(t, Options{}, func(s *wire.Stream, _ opened) {
				connected(s)
				sum := sha256.New()
				for {
					m, err := s.Recv()
					if err != nil || m.Kind == wire.EOFType {
						break
					}
					sum.Write(m.Data)
				}
				sums <- sum.Sum(nil)
				s.CloseChannel(wire.Out)
				s.End(struct{}{})
			})
			conn := dial(t, address)
			for range size / len(content) {
				if _, err := conn.Write(content); err != nil {
					t.Fatal(err)
				}
			}
			_ = conn.CloseWrite()
			if got := <-sums; !bytes.Equal(got, want) {
				t.Fatal("other bytes arrived")
			}
		})
		t.Run("down "+name, func(t *testing.T) {
			begin(t, Options{}, func(s *wire.Stream, _ opened) {
				connected(s)
				for range size / len(content) {
					if s.Write(wire.Out, content) != nil {
						break
					}
				}
				s.CloseChannel(wire.Out)
				for {
					if m, err := s.Recv(); err != nil || m.Kind == wire.EOFType {
						break
					}
				}
				s.End(struct{}{})
			})
			conn := dial(t, address)
			_ = conn.CloseWrite()
			sum := sha256.New()
			if _, err := io.Copy(sum, conn); err != nil || !bytes.Equal(sum.Sum(nil), want) {
				t.Fatalf("other bytes arrived, %v", err)
			}
		})
	}
}

func TestTheHostMayEndItsDirectionFirst(t *testing.T) {
	got := make(chan string, 1)
	begin(t, Options{}, func(s *wire.Stream, _ opened) {
		connected(s)
		_ = s.Write(wire.Out, []byte("greeting"))
		s.CloseChannel(wire.Out)
		var all []byte
		for {
			m, err := s.Recv()
			if err != nil || m.Kind == wire.EOFType {
				break
			}
			all = append(all, m.Data...)
		}
		got <- string(all)
		s.End(struct{}{})
	})
	conn := dial(t, "198.18.1.7:80")
	if text, err := io.ReadAll(conn); err != nil || string(text) != "greeting" {
		t.Fatalf("%q, %v", text, err)
	}
	for range 10 {
		if _, err := conn.Write([]byte("late ")); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.CloseWrite()
	if text := <-got; text != "late late late late late late late late late late " {
		t.Fatalf("%q", text)
	}
}

func TestAnErrorAfterConnectedIsAReset(t *testing.T) {
	begin(t, Options{}, func(s *wire.Stream, _ opened) {
		connected(s)
		_, _ = s.Recv()
		s.Fail("refused", "the other side reset it", 0)
	})
	conn := dial(t, "198.18.1.7:80")
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

// A program that resets its connection: whatever the host was doing, it is told.
func TestAResetOfTheProgramCancelsTheStream(t *testing.T) {
	for name, serve := range map[string]func(*wire.Stream){
		"while it waits":       func(s *wire.Stream) { <-s.Canceled() },
		"while it sends":       func(s *wire.Stream) { fill(s) },
		"after its own end":    func(s *wire.Stream) { s.CloseChannel(wire.Out); <-s.Canceled() },
		"without reading more": func(s *wire.Stream) { _ = s.Write(wire.Out, []byte("x")); <-s.Canceled() },
	} {
		t.Run(name, func(t *testing.T) {
			canceled := make(chan struct{})
			begin(t, Options{}, func(s *wire.Stream, _ opened) {
				connected(s)
				serve(s)
				<-s.Canceled()
				close(canceled)
			})
			conn := dial(t, "198.18.1.7:80")
			// More than the host gives credit for.
			_ = conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, _ = conn.Write(make([]byte, 8<<20))
			_ = conn.SetLinger(0)
			_ = conn.Close()
			select {
			case <-canceled:
			case <-time.After(tooLong):
				t.Fatal("the host was not told")
			}
		})
	}
}

func fill(s *wire.Stream) {
	for s.Write(wire.Out, make([]byte, 64<<10)) == nil {
	}
}

func TestASlowHostHoldsTheProgramUp(t *testing.T) {
	begin(t, Options{}, func(s *wire.Stream, _ opened) { connected(s); <-s.Canceled() })
	conn := dial(t, "198.18.1.7:80")
	_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	n, err := conn.Write(make([]byte, 64<<20))
	if !errors.Is(err, syscall.ETIMEDOUT) && err == nil || n > 16<<20 {
		t.Fatalf("%d bytes went somewhere, %v", n, err)
	}
}

func TestWhenTheConnectionEndsTheNetworkIsClosed(t *testing.T) {
	p := begin(t, Options{}, echo)
	conn := dial(t, "198.18.1.7:80")
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.Dial("udp", "198.18.1.7:1234")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	p.host.Close()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("an open connection: %v", err)
	}
	<-p.agent.Done()
	if _, err := net.DialTimeout("tcp", "198.18.1.7:80", tooLong); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("a new connection: %v", err)
	}
	_ = datagrams.SetDeadline(time.Now().Add(tooLong))
	_, _ = datagrams.Write([]byte("x"))
	if _, err := datagrams.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("a datagram: %v", err)
	}
}

func TestAThousandConnectionsAtOnce(t *testing.T) {
	begin(t, Options{}, echo)
	const count = 1000
	var waiting sync.WaitGroup
	failures := make(chan error, count)
	for i := range count {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			conn, err := net.DialTimeout("tcp", "198.18.1."+strconv.Itoa(1+i%200)+":80", tooLong)
			if err != nil {
				failures <- err
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(tooLong))
			text := bytes.Repeat([]byte{byte(i)}, 4096)
			if _, err := conn.Write(text); err != nil {
				failures <- err
				return
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, text) {
				failures <- errors.Join(err, errors.New(strconv.Itoa(len(got))+" bytes came back"))
			}
		}()
	}
	waiting.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
}
