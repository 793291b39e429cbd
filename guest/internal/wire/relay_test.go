package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// chain is client – relay – agent, as a shim has it.
func chain(t testing.TB, handler func(*Stream)) (client, middle, toAgent, agent *running) {
	t.Helper()
	toAgent, agent = pair(t, handler)
	client, middle = pair(t, func(s *Stream) { Relay(s, toAgent.Conn) })
	return client, middle, toAgent, agent
}

func TestARelayPassesEverythingOnAsItIs(t *testing.T) {
	client, _, _, _ := chain(t, func(s *Stream) {
		events := make(chan string, 1)
		s.OnEvent(func(payload json.RawMessage) { events <- string(payload) })
		_ = s.Event(map[string]any{"event": "started", "open": s.Payload()})
		total := 0
		for {
			m, err := s.Recv()
			if err != nil {
				return
			}
			if m.Kind == EOFType {
				break
			}
			total += len(m.Data)
			_ = s.Write(Out, m.Data)
		}
		s.CloseChannel(Out)
		s.End(map[string]any{"n": total, "event": <-events})
	})
	s, err := client.Open(json.RawMessage(`{"op":"copy",  "odd" : [1 ]}`))
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		_ = s.Event(map[string]int{"signal": 3})
		_ = s.Write(In, sent)
		s.CloseChannel(In)
	}()
	var got []byte
	var texts []string
	for {
		m, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind == DataType {
			got = append(got, m.Data...)
			continue
		}
		texts = append(texts, string(m.Data))
		if m.Kind == EndType {
			break
		}
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back", len(got), len(sent))
	}
	want := []string{`{"event":"started","open":{"op":"copy","odd":[1]}}`, "", `{"event":"{\"signal\":3}","n":1048576}`}
	if len(texts) != 3 || texts[0] != want[0] || texts[2] != want[2] {
		t.Errorf("%q", texts)
	}
}

func TestARelayHoldsNoMoreThanTheCredit(t *testing.T) {
	client, middle, _, agent := chain(t, func(s *Stream) {
		_ = s.Write(Out, make([]byte, 64*InitialCredit))
		s.End(struct{}{})
	})
	s := open(t, client, "read")
	// Nobody reads: the agent comes to a stop, and all that it sent fits into the credit of the client.
	waitFor(t, client.Conn, func() bool { return s.window == 0 })
	agent.mu.Lock()
	for _, one := range agent.streams {
		if one.credit != 0 {
			t.Errorf("the agent has %d bytes of credit", one.credit)
		}
	}
	agent.mu.Unlock()
	middle.mu.Lock()
	for _, one := range middle.streams {
		if one.queued > InitialCredit {
			t.Errorf("%d bytes wait in the relay", one.queued)
		}
	}
	middle.mu.Unlock()
	if counts, _, err := drain(s); err != nil || counts[Out] != 64*InitialCredit {
		t.Error(counts, err)
	}
}

func TestARelayPassesErrorsAndCancelOn(t *testing.T) {
	client, middle, toAgent, _ := chain(t, func(s *Stream) {
		if s.Op() == "bad" {
			s.Fail("exists", "there is one", 17)
			return
		}
		<-s.Canceled()
		s.End(map[string]bool{"canceled": true})
	})
	var body *ErrorBody
	if _, _, err := drain(open(t, client, "bad")); !errors.As(err, &body) || *body != (ErrorBody{"exists", "there is one", 17}) {
		t.Error(err)
	}
	s := open(t, client, "wait")
	s.Cancel()
	if _, end, err := drain(s); err != nil || string(end) != `{"canceled":true}` {
		t.Error(string(end), err)
	}
	for _, c := range []*running{client, middle, toAgent} {
		waitFor(t, c.Conn, func() bool { return len(c.streams) == 0 })
	}
}

func TestWhenTheClientGoesTheAgentIsCanceled(t *testing.T) {
	canceled := make(chan error, 1)
	client, _, toAgent, _ := chain(t, func(s *Stream) {
		for {
			if err := s.Write(Out, make([]byte, 1000)); err != nil {
				canceled <- err
				return
			}
		}
	})
	s := open(t, client, "x")
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if err := receive(t, canceled, "the agent"); err != ErrCanceled {
		t.Error(err)
	}
	waitFor(t, toAgent.Conn, func() bool { return len(toAgent.streams) == 0 })
}

func TestWhenTheAgentGoesTheClientIsTold(t *testing.T) {
	client, _, _, agent := chain(t, func(s *Stream) {
		_ = s.Write(Out, []byte("x"))
		<-s.Canceled()
	})
	s := open(t, client, "x")
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	agent.Close()
	var body *ErrorBody
	if _, _, err := drain(s); !errors.As(err, &body) || body.Code != "agent_lost" {
		t.Error(err)
	}
	if _, _, err := drain(open(t, client, "x")); !errors.As(err, &body) || body.Code != "agent_lost" {
		t.Error(err)
	}
}

func TestWhatComesBeforeTheOtherHalfExistsIsNotLost(t *testing.T) {
	toAgent, _ := pair(t, func(s *Stream) {
		events := make(chan string, 1)
		s.OnEvent(func(payload json.RawMessage) { events <- string(payload) })
		n := 0
		for {
			m, err := s.Recv()
			if err != nil {
				s.End(map[string]any{"n": n, "event": <-events})
				return
			}
			n += len(m.Data)
		}
	})
	begin := newGate(t)
	client, middle := pair(t, func(s *Stream) {
		begin.wait()
		Relay(s, toAgent.Conn)
	})
	s := open(t, client, "x")
	_ = s.Write(In, make([]byte, 100_000))
	_ = s.Event(map[string]int{"a": 1})
	s.CloseChannel(In)
	waitFor(t, middle.Conn, func() bool { one := middle.streams[s.id]; return one != nil && one.eof[In] })
	begin.pass()
	waitFor(t, middle.Conn, func() bool { one := middle.streams[s.id]; return one.relay != nil && one.in.empty() })
	s.Cancel()
	if _, end, err := drain(s); err != nil || len(end) == 0 {
		t.Fatal(string(end), err)
	}
}

func TestAClientThatFloodsARelayWithEventsIsCutOff(t *testing.T) {
	a, b := socketPair(t)
	silent := rawPeer{t, b}
	toAgent := run(t, NewConn(a, Hello{Role: "shim"}, nil))
	silent.send(0, HelloType, someHello)
	server, peer := rawServer(t, func(s *Stream) { Relay(s, toAgent.Conn) })
	peer.send(1, OpenType, `{"op":"x"}`)
	event := AppendFrame(nil, 1, EventType, objectOf(50_000))
	for {
		if _, err := peer.Write(event); err != nil {
			break
		}
	}
	if reason := reasonOf(receive(t, server.ended, "the end")); reason != "events" {
		t.Error(reason)
	}
}
