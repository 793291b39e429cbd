package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// hold is the operation of the vectors: it waits, reads nothing and takes no event.
func hold(s *Stream) { <-s.Canceled() }

// converse plays a conversation to one side and returns how its connection ended.
func converse(t *testing.T, c conversation) error {
	t.Helper()
	a, b := socketPair(t)
	handler := hold
	if c.Side == "opens" {
		handler = nil
	}
	side := run(t, NewConn(a, Hello{Role: "shim"}, handler))
	peer := rawPeer{t, b}
	go func() {
		for {
			if _, _, err := peer.next(); err != nil {
				return
			}
		}
	}()
	for i, item := range c.Receives {
		if _, err := peer.Write(bytesOf(t, item)); err != nil {
			break
		}
		if i == 0 && c.Side == "opens" {
			open(t, side, "hold")
		}
	}
	if c.Error == nil {
		// It must still be alive: it answers.
		if _, err := peer.Write(AppendFrame(nil, 0, ByeType, nil)); err != nil {
			t.Error(err)
		}
	}
	return receive(t, side.ended, "the end of "+c.Name)
}

func TestEveryConversationOfTheVectorsEndsAsItSays(t *testing.T) {
	for _, c := range readVectors(t).Conversations {
		t.Run(c.Name, func(t *testing.T) {
			err := converse(t, c)
			want := ""
			if c.Error != nil {
				want = *c.Error
			}
			if reasonOf(err) != want || (want == "" && err != nil) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

func TestAPeerThatBreaksARuleIsToldWhich(t *testing.T) {
	server, peer := rawServer(t, hold)
	peer.send(2, OpenType, `{"op":"x"}`)
	h, payload := peer.until(ErrorType)
	var body ErrorBody
	if h.Stream != 0 || json.Unmarshal(payload, &body) != nil || body.Code != "protocol_error" || body.Message != "open" {
		t.Errorf("told %d %s", h.Stream, payload)
	}
	if _, _, err := peer.next(); err == nil {
		t.Error("the connection goes on")
	}
	if reasonOf(receive(t, server.ended, "the end")) != "open" {
		t.Error("Run does not say why")
	}
}

func TestAVersionThatWeDoNotSpeakHasItsOwnCode(t *testing.T) {
	a, b := socketPair(t)
	run(t, NewConn(a, Hello{Role: "agent"}, hold))
	peer := rawPeer{t, b}
	peer.send(0, HelloType, `{"protocol":0,"role":"client","version":"","features":[]}`)
	_, payload := peer.until(ErrorType)
	if !strings.Contains(string(payload), "protocol_version") {
		t.Errorf("%s", payload)
	}
}

func TestAnErrorOfTheConnectionIsHowRunEnds(t *testing.T) {
	server, peer := rawServer(t, hold)
	peer.send(0, ErrorType, `{"code":"protocol_version","message":"too old"}`)
	var body *ErrorBody
	if err := receive(t, server.ended, "the end"); !errors.As(err, &body) || body.Code != "protocol_version" {
		t.Error(err)
	}
}

func TestTooManyStreamsAreRefusedAndTheRestGoesOn(t *testing.T) {
	_, peer := rawServer(t, hold)
	for i := range uint32(MaxStreams) {
		peer.send(2*i+1, OpenType, `{"op":"hold"}`)
	}
	late := uint32(2*MaxStreams + 1)
	peer.send(late, OpenType, `{"op":"hold","much":"`+strings.Repeat("x", 1<<20)+`"}`)
	h, payload := peer.until(ErrorType)
	if h.Stream != late || !strings.Contains(string(payload), "too_many_streams") {
		t.Fatalf("%d %s", h.Stream, payload)
	}
	peer.send(1, CancelType, "")
	if h, _ := peer.until(ErrorType); h.Stream != 1 {
		t.Fatalf("%d", h.Stream)
	}
	// A place is free again.
	peer.send(late+2, OpenType, `{"op":"hold"}`)
	peer.send(late+2, CancelType, "")
	if h, payload := peer.until(ErrorType); h.Stream != late+2 || strings.Contains(string(payload), "too_many_streams") {
		t.Fatalf("%d %s", h.Stream, payload)
	}
}

func TestTheOpenerKeepsToTheNumberOfStreamsItself(t *testing.T) {
	client, _ := pair(t, hold)
	for range MaxStreams {
		open(t, client, "hold")
	}
	var body *ErrorBody
	if _, err := client.Open(map[string]any{"op": "x"}); !errors.As(err, &body) || body.Code != "too_many_streams" {
		t.Fatal(err)
	}
}

func TestAPeerThatOnlyAsksAndNeverReadsIsCutOff(t *testing.T) {
	server, peer := rawServer(t, hold)
	ping := AppendFrame(nil, 0, PingType, make([]byte, 8))
	for {
		if _, err := peer.Write(ping); err != nil {
			break
		}
	}
	if reason := reasonOf(receive(t, server.ended, "the end")); reason != "flood" {
		t.Error(reason)
	}
}

func TestStreamsThatEndedKeepTheirPlaceUntilThePeerReads(t *testing.T) {
	opened := make(chan struct{}, 1<<20)
	long := strings.Repeat("x", 60_000)
	server, peer := rawServer(t, func(s *Stream) {
		opened <- struct{}{}
		s.End(map[string]string{"a": long})
	})
	// The peer opens and opens and does not read: what waits for it is bounded by the number of streams.
	for i := range uint32(3 * MaxStreams) {
		peer.send(2*i+1, OpenType, `{"op":"x"}`)
	}
	waitFor(t, server.Conn, func() bool { return server.last == 6*MaxStreams-1 })
	if n := len(opened); n > MaxStreams+batchFrames {
		t.Errorf("%d results wait", n)
	}
}

// A hostile server sends single bytes on two channels in turns, to a reader that has stopped.
func TestSingleBytesCostLittleMoreMemoryThanTheirCredit(t *testing.T) {
	a, b := socketPair(t)
	client := run(t, NewConn(a, Hello{Role: "shim"}, nil))
	peer := rawPeer{t, b}
	peer.send(0, HelloType, strings.Replace(someHello, "client", "agent", 1))
	s := open(t, client, "x")
	var many []byte
	for range InitialCredit / 2 {
		many = AppendFrame(many, s.id, DataType, []byte{Out, 'o'})
		many = AppendFrame(many, s.id, DataType, []byte{Err, 'e'})
	}
	if _, err := peer.Write(many); err != nil {
		t.Fatal(err)
	}
	waitFor(t, client.Conn, func() bool { return s.window == 0 })
	if n := len(s.in.items) - s.in.head; n > 8 {
		t.Errorf("%d segments wait", n)
	}
	peer.send(s.id, EndType, "{}")
	counts, _, err := drain(s)
	if err != nil || counts != [3]int{0, InitialCredit / 2, InitialCredit / 2} {
		t.Error(counts, err)
	}
}

func TestBytesOfAChannelKeepTheirOrderHoweverTheyAreCut(t *testing.T) {
	var q queue
	want := map[byte]string{}
	next := byte(0)
	for _, n := range []int{1, 70, MaxData - 3, 5, 1, 40_000, 30_000, 7, 2, MaxData, 1} {
		for channel := Out; channel <= Err; channel++ {
			part := make([]byte, n)
			for i := range part {
				part[i] = next
				next = next*5 + 1
			}
			want[channel] += string(part)
			q.pushData(channel, part)
		}
	}
	got := map[byte]string{}
	for !q.empty() {
		s := q.pop()
		got[s.channel] += string(s.body)
		s.free()
	}
	if got[Out] != want[Out] || got[Err] != want[Err] {
		t.Error("the order is lost")
	}
}

// FuzzConn gives hostile bytes to a side that serves and to one that opens. Whatever they are, the connection ends, within the
// bytes' own length of memory, and nothing panics.
func FuzzConn(f *testing.F) {
	hello := AppendFrame(nil, 0, HelloType, []byte(someHello))
	v := readVectors(f)
	for _, frame := range v.Frames {
		f.Add(unhex(f, frame.Hex))
		f.Add(append(hello[:len(hello):len(hello)], unhex(f, frame.Hex)...))
	}
	for _, c := range v.Conversations {
		var all []byte
		for _, item := range c.Receives {
			all = append(all, bytesOf(f, item)...)
		}
		if len(all) < 1000 {
			f.Add(all)
		}
	}
	f.Add(append(hello[:len(hello):len(hello)], binary.LittleEndian.AppendUint32(nil, 1<<31)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, handler := range []func(*Stream){nil, echo} {
			a, b := socketPair(t)
			side := run(t, NewConn(a, Hello{Role: "shim"}, handler))
			go func() { _, _ = io.Copy(io.Discard, b) }()
			if handler == nil {
				go func() {
					if s, err := side.Open(map[string]any{"op": "x"}); err == nil {
						_, _, _ = drain(s)
					}
				}()
			}
			_, _ = b.Write(raw)
			_ = b.Close()
			if err := receive(t, side.ended, "the end"); err != nil && err != io.EOF && reasonOf(err) == "" {
				var body *ErrorBody
				if !errors.As(err, &body) {
					t.Fatal(err)
				}
			}
		}
	})
}

// echo sends back what it gets.
func echo(s *Stream) {
	for {
		m, err := s.Recv()
		if err != nil {
			return
		}
		if m.Kind == EOFType {
			s.End(struct{}{})
			return
		}
		if s.Write(Out, m.Data) != nil {
			return
		}
	}
}

func TestAConnectionMayAllowMoreStreams(t *testing.T) {
	a, b := socketPair(t)
	release := make(chan struct{})
	client := NewConn(a, Hello{Role: "agent"}, nil)
	server := NewConn(b, Hello{Role: "gateway"}, func(s *Stream) {
		<-release
		s.End(struct{}{})
	})
	for _, conn := range []*Conn{client, server} {
		conn.AllowStreams(MaxFlows)
		run(t, conn)
	}
	for i := range MaxFlows {
		if _, err := client.Open(map[string]any{"op": "tcp"}); err != nil {
			t.Fatalf("stream %d: %v", i+1, err)
		}
	}
	var refusal *ErrorBody
	if _, err := client.Open(map[string]any{"op": "tcp"}); !errors.As(err, &refusal) || refusal.Code != "too_many_streams" {
		t.Fatalf("one more: %v", err)
	}
	close(release)
}
