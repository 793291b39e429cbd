package wire

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

func TestAWriterWaitsForCreditOfItsOwnStreamOnly(t *testing.T) {
	written := make(chan error, 1)
	client, server := pair(t, func(s *Stream) {
		if s.Op() == "small" {
			s.End(struct{}{})
			return
		}
		written <- s.Write(Out, make([]byte, 3*InitialCredit))
		s.End(struct{}{})
	})
	slow := open(t, client, "bulk")
	waitFor(t, client.Conn, func() bool { return slow.window == 0 })
	waitFor(t, server.Conn, func() bool { return server.streams[slow.id].credit == 0 })
	select {
	case err := <-written:
		t.Fatalf("written without credit: %v", err)
	default:
	}
	for range 100 {
		if _, _, err := drain(open(t, client, "small")); err != nil {
			t.Fatal(err)
		}
	}
	if counts, _, err := drain(slow); err != nil || counts[Out] != 3*InitialCredit {
		t.Fatal(counts, err)
	}
	if err := receive(t, written, "the writer"); err != nil {
		t.Fatal(err)
	}
}

func TestEventsOfAServerWaitForCreditToo(t *testing.T) {
	const events = 200
	client, server := pair(t, func(s *Stream) {
		for i := range events {
			if err := s.Event(map[string]any{"i": i, "pad": string(make([]byte, 5000))}); err != nil {
				return
			}
		}
		s.End(struct{}{})
	})
	s := open(t, client, "list")
	waitFor(t, server.Conn, func() bool { one := server.streams[s.id]; return one != nil && one.credit < 31_000 })
	for i := range events {
		m, err := s.Recv()
		var got struct{ I int }
		if err != nil || m.Kind != EventType || m.Decode(&got) != nil || got.I != i {
			t.Fatalf("event %d: %+v %v", i, got, err)
		}
	}
	if _, _, err := drain(s); err != nil {
		t.Fatal(err)
	}
}

func TestEveryByteArrivesInOrderWithTinyCredits(t *testing.T) {
	server, peer := rawServer(t, func(s *Stream) {
		buf := NewBuf()
		for i := range buf.Bytes() {
			buf.Bytes()[i] = byte(i * 7)
		}
		want := bytes.Clone(buf.Bytes())
		for range InitialCredit / MaxData {
			_ = s.Write(Out, want)
		}
		// From here on each frame has little credit.
		_ = s.WriteBuf(Out, buf, MaxData)
		s.End(struct{}{})
	})
	peer.send(1, OpenType, `{"op":"x"}`)
	got, given := 0, 0
	for {
		h, payload, err := peer.next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == EndType {
			break
		}
		if h.Type != DataType {
			continue
		}
		for i, b := range payload[1:] {
			if b != byte((got+i)%MaxData*7) {
				t.Fatalf("byte %d is wrong", got+i)
			}
		}
		if got += len(payload) - 1; got > InitialCredit+given {
			t.Fatal("more than the credit")
		}
		if got == InitialCredit+given {
			peer.send(1, CreditType, "\x10\x27\x00\x00")
			given += 10_000
		}
	}
	if got != InitialCredit+MaxData {
		t.Fatalf("%d bytes", got)
	}
	server.Close()
}

func TestStreamsTakeTurns(t *testing.T) {
	start := newGate(t)
	server, peer := rawServer(t, func(s *Stream) {
		start.wait()
		_ = s.Write(Out, make([]byte, InitialCredit))
		s.End(struct{}{})
	})
	const streams = 8
	for i := range uint32(streams) {
		peer.send(2*i+1, OpenType, `{"op":"x"}`)
	}
	waitFor(t, server.Conn, func() bool { return len(server.streams) == streams })
	// The queues fill up while the peer does not read.
	start.pass()
	waitFor(t, server.Conn, func() bool {
		full := 0
		for _, s := range server.streams {
			if s.queued > 0 || s.credit < InitialCredit {
				full++
			}
		}
		return full == streams
	})
	last := map[uint32]int{}
	ended := 0
	for turn := 0; ended < streams; turn++ {
		h, _, err := peer.next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == EndType {
			ended++
			delete(last, h.Stream)
			continue
		}
		if h.Type != DataType {
			continue
		}
		// Frames of the first batches were written before all had come; later, nobody is served twice while others wait long.
		last[h.Stream] = turn
		for stream, at := range last {
			if turn-at > 4*streams {
				t.Fatalf("stream %d waits since %d frames", stream, turn-at)
			}
		}
	}
}

func TestAPingIsAnsweredDuringABulkCopy(t *testing.T) {
	client, _ := pair(t, func(s *Stream) {
		data := make([]byte, MaxData)
		for s.Write(Out, data) == nil {
		}
	})
	var readers sync.WaitGroup
	for range 4 {
		s := open(t, client, "bulk")
		readers.Add(1)
		go func() {
			defer readers.Done()
			_, _, _ = drain(s)
		}()
	}
	var worst time.Duration
	for range 200 {
		took, err := client.Ping(tooLong)
		if err != nil {
			t.Fatal(err)
		}
		worst = max(worst, took)
	}
	t.Logf("slowest ping %v", worst)
	client.Close()
	readers.Wait()
}

func TestAPingIsAnsweredBeforeQueuedData(t *testing.T) {
	server, peer := rawServer(t, func(s *Stream) {
		_ = s.Write(Out, make([]byte, InitialCredit))
		s.End(struct{}{})
	})
	const streams = 64
	for i := range uint32(streams) {
		peer.send(2*i+1, OpenType, `{"op":"x"}`)
	}
	waitFor(t, server.Conn, func() bool {
		queued := 0
		for _, s := range server.streams {
			queued += s.queued
		}
		return queued >= streams*sendAhead*3/4
	})
	peer.send(0, PingType, "12345678")
	// Frames are taken in order: with this stream there, the answer has its place. Until then nothing is read, or what counts would be
	// how soon the reader of a busy machine has its turn.
	const after = 2*streams + 1
	peer.send(after, OpenType, `{"op":"x"}`)
	waitFor(t, server.Conn, func() bool { return server.last == after })
	before := 0
	for {
		h, payload, err := peer.next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == PongType {
			if string(payload) != "12345678" {
				t.Fatalf("%q", payload)
			}
			break
		}
		before += len(payload)
	}
	// What the kernel holds for the peer and a batch or two; the queues hold eight megabytes.
	if before > 2<<20 {
		t.Errorf("%d bytes came before the answer", before)
	}
}

func BenchmarkThroughput(b *testing.B) {
	client, _ := pair(b, func(s *Stream) {
		for {
			if s.WriteBuf(Out, NewBuf(), MaxData) != nil {
				return
			}
		}
	})
	s, err := client.Open(map[string]any{"op": "x"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(MaxData)
	for got := 0; got < b.N*MaxData; {
		m, err := s.Recv()
		if err != nil {
			b.Fatal(err)
		}
		got += len(m.Data)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	client, _ := pair(b, func(s *Stream) { s.End(struct{}{}) })
	for b.Loop() {
		s, err := client.Open(map[string]any{"op": "x"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
