package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestBothSidesLearnWhatTheOtherSaysOfItself(t *testing.T) {
	a, b := socketPair(t)
	client := run(t, NewConn(a, Hello{Role: "daemon", Version: "1.2.3"}, nil))
	server := run(t, NewConn(b, Hello{Role: "shim", Features: []string{"exec"}}, func(*Stream) {}))
	if got := server.Peer(); got.Role != "daemon" || got.Version != "1.2.3" || got.Protocol != 1 || got.Has("exec") {
		t.Errorf("the server saw %+v", got)
	}
	if got := client.Peer(); got.Role != "shim" || !got.Has("exec") || got.Has("tar") {
		t.Errorf("the client saw %+v", got)
	}
}

func TestAStreamCarriesDataBothWaysThenItsResult(t *testing.T) {
	client, _ := pair(t, func(s *Stream) {
		var all []byte
		for {
			m, err := s.Recv()
			if err != nil {
				return
			}
			if m.Kind == EOFType {
				break
			}
			all = append(all, m.Data...)
		}
		_ = s.Event(map[string]any{"event": "started"})
		_ = s.Write(Out, bytes.ToUpper(all))
		_ = s.Write(Err, []byte("done"))
		s.CloseChannel(Out)
		s.End(map[string]any{"op": s.Op(), "n": len(all)})
	})
	s := open(t, client, "upper")
	if err := s.Write(In, []byte("hello ")); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(In, []byte("world")); err != nil {
		t.Fatal(err)
	}
	s.CloseChannel(In)
	var order []Type
	var text, result string
	for {
		m, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, m.Kind)
		if m.Kind == DataType && m.Channel == Out {
			text += string(m.Data)
		}
		if m.Kind == EndType {
			result = string(m.Data)
			break
		}
	}
	if text != "HELLO WORLD" || result != `{"n":11,"op":"upper"}` || order[0] != EventType {
		t.Errorf("%q, %q, %v", text, result, order)
	}
	if _, err := s.Recv(); err != ErrEnded {
		t.Errorf("after the end: %v", err)
	}
	if err := s.Write(In, []byte("x")); err != ErrEnded {
		t.Errorf("write after the end: %v", err)
	}
}

func TestItWorksOverAPipeWithoutADescriptor(t *testing.T) {
	a, b := net.Pipe()
	client := run(t, NewConn(a, Hello{Role: "client"}, nil))
	run(t, NewConn(b, Hello{Role: "agent"}, func(s *Stream) {
		_ = s.Write(Out, make([]byte, 1<<20))
		s.End(struct{}{})
	}))
	counts, _, err := drain(open(t, client, "x"))
	if err != nil || counts[Out] != 1<<20 {
		t.Fatal(counts, err)
	}
}

func TestAnErrorComesWithItsCodeAndNumber(t *testing.T) {
	client, _ := pair(t, func(s *Stream) { s.Fail("not_found", "no such file", 2) })
	_, err := open(t, client, "x").Recv()
	var body *ErrorBody
	if !errors.As(err, &body) || *body != (ErrorBody{"not_found", "no such file", 2}) {
		t.Fatal(err)
	}
}

func TestAHandlerThatForgetsToAnswerIsAnError(t *testing.T) {
	client, _ := pair(t, func(*Stream) {})
	_, err := open(t, client, "x").Recv()
	var body *ErrorBody
	if !errors.As(err, &body) || body.Code != "io" {
		t.Fatal(err)
	}
}

func TestAResultThatIsTooLongIsAnError(t *testing.T) {
	client, _ := pair(t, func(s *Stream) { s.End(map[string]any{"a": make([]byte, MaxJSON)}) })
	_, err := open(t, client, "x").Recv()
	var body *ErrorBody
	if !errors.As(err, &body) || body.Code != "io" {
		t.Fatal(err)
	}
}

func TestCancelReachesTheServerAndItsResultStillComes(t *testing.T) {
	client, _ := pair(t, func(s *Stream) {
		_, err := s.Recv()
		<-s.Canceled()
		if s.Write(Out, []byte("x")) != ErrCanceled {
			s.Fail("io", "written after cancel", 0)
		}
		s.Survive()
		if err := s.Write(Out, []byte("last words")); err != nil {
			s.Fail("io", err.Error(), 0)
		}
		s.End(map[string]any{"canceled": err == ErrCanceled})
	})
	s := open(t, client, "x")
	s.Cancel()
	counts, end, err := drain(s)
	if err != nil || string(end) != `{"canceled":true}` || counts[Out] != 10 {
		t.Fatal(counts, string(end), err)
	}
}

func TestADroppedStreamKeepsNothingAndFreesItsPlace(t *testing.T) {
	stopped := make(chan error, 1)
	client, _ := pair(t, func(s *Stream) {
		for {
			if err := s.Write(Out, make([]byte, 1000)); err != nil {
				stopped <- err
				return
			}
		}
	})
	s := open(t, client, "flood")
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	s.Drop()
	if err := receive(t, stopped, "the server to stop"); err != ErrCanceled {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != ErrEnded {
		t.Fatal(err)
	}
	waitFor(t, client.Conn, func() bool { return len(client.streams) == 0 })
}

// waitFor waits until what the mutex guards is so.
func waitFor(t testing.TB, c *Conn, is func() bool) {
	t.Helper()
	late := time.Now().Add(tooLong)
	for {
		c.mu.Lock()
		done := is()
		c.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(late) {
			t.Fatal("it does not become so")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestEventsOfTheOpenerArriveThoughNobodyReadsItsData(t *testing.T) {
	got := make(chan string, 2)
	client, _ := pair(t, func(s *Stream) {
		// The first may come before there is anyone to take it.
		waitFor(t, s.c, func() bool { return len(s.events) > 0 || s.failure != nil })
		s.OnEvent(func(payload json.RawMessage) { got <- string(payload) })
		<-s.Canceled()
		s.End(struct{}{})
	})
	s := open(t, client, "x")
	if err := s.Write(In, make([]byte, InitialCredit)); err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{"one", "two"} {
		if err := s.Event(map[string]string{"event": event}); err != nil {
			t.Fatal(err)
		}
		if text := receive(t, got, event); text != `{"event":"`+event+`"}` {
			t.Fatal(text)
		}
	}
	s.Cancel()
	if _, _, err := drain(s); err != nil {
		t.Fatal(err)
	}
}

func TestByeIsTellableFromACrash(t *testing.T) {
	client, server := pair(t, func(s *Stream) { s.End(struct{}{}) })
	client.Peer()
	client.Bye()
	if err := receive(t, server.ended, "the server's end"); err != nil {
		t.Errorf("after BYE: %v", err)
	}
	if err := receive(t, client.ended, "the client's end"); err != nil {
		t.Errorf("the one who left: %v", err)
	}
	client, server = pair(t, func(s *Stream) { s.End(struct{}{}) })
	client.Peer()
	server.Close()
	if err := receive(t, client.ended, "the client's end"); err != io.EOF {
		t.Errorf("without BYE: %v", err)
	}
}

func TestByeWritesWhatIsQueuedFirst(t *testing.T) {
	leave := make(chan *Conn, 1)
	client, _ := pair(t, func(s *Stream) {
		_ = s.Write(Out, make([]byte, 200<<10))
		s.End(map[string]bool{"done": true})
		leave <- s.Conn()
	})
	s := open(t, client, "shutdown")
	conn := receive(t, leave, "the handler")
	go conn.Bye()
	counts, end, err := drain(s)
	if err != nil || counts[Out] != 200<<10 || string(end) != `{"done":true}` {
		t.Fatal(counts, string(end), err)
	}
	if err := receive(t, client.ended, "the end"); err != nil {
		t.Fatal(err)
	}
}

func TestWhenTheConnectionEndsNothingWaitsAnyLonger(t *testing.T) {
	results := make(chan error, 4)
	client, server := pair(t, func(s *Stream) {
		if s.Op() == "read" {
			results <- s.Write(Out, make([]byte, 2*InitialCredit))
			return
		}
		<-s.Canceled()
		// What had come is still there.
		_, _, err := drain(s)
		results <- err
	})
	open(t, client, "read")
	s := open(t, client, "wait")
	go func() {
		_, err := s.Recv()
		results <- err
	}()
	go func() { results <- s.Write(In, make([]byte, 2*InitialCredit)) }()
	waitFor(t, client.Conn, func() bool { return s.credit == 0 })
	waitFor(t, server.Conn, func() bool { return len(server.streams) == 2 })
	client.Close()
	for range 4 {
		if err := receive(t, results, "a call"); err != ErrClosed && err != ErrCanceled {
			t.Errorf("a call ended with %v", err)
		}
	}
	if _, err := client.Open(map[string]any{"op": "x"}); err != ErrClosed {
		t.Error(err)
	}
	if _, err := client.Ping(tooLong); err != ErrClosed {
		t.Error(err)
	}
	s.End(1)
	s.CloseChannel(In)
	s.Cancel()
	client.Close()
}

func TestOnlyWhatMayBeSentIsOpened(t *testing.T) {
	client, server := pair(t, func(s *Stream) { s.End(struct{}{}) })
	if _, err := client.Open([]int{1}); reasonOf(err) != "json" {
		t.Error(err)
	}
	if _, err := client.Open(map[string]any{"op": make([]byte, MaxPayload)}); reasonOf(err) != "length" {
		t.Error(err)
	}
	if _, err := client.Open(json.RawMessage(`{"op":`)); reasonOf(err) != "json" {
		t.Error(err)
	}
	if _, err := server.Open(map[string]any{"op": "x"}); err != ErrClosed {
		t.Error(err)
	}
	s, err := client.Open(map[string]any{"op": "big", "argv": string(bytes.Repeat([]byte("x"), MaxPayload-100))})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := drain(s); err != nil {
		t.Error(err)
	}
	if s, err = client.Open(map[string]any{"no": "op"}); err != nil {
		t.Fatal(err)
	}
	var body *ErrorBody
	if _, _, err := drain(s); !errors.As(err, &body) || body.Code != "invalid" {
		t.Error(err)
	}
}
