package wire

import (
	"encoding/json"
	"time"
)

// lingering is how long a stream may take to end whose opener is gone, and had said all it had to say.
const lingering = 10 * time.Second

// Relay serves a stream by opening the same one on another connection and passing every frame on as it is, in both directions.
// Credit is passed on too, so that nothing piles up here beyond what the two ends allow each other. It returns when the stream
// has ended or its opener's connection has. When the other connection ends, the stream fails with agent_lost.
//
// All relays of a program must go the same way round: from connections that we serve to ones that we open streams on.
func Relay(s *Stream, to *Conn) { RelayAs(s, to, s.payload) }

// RelayAs is Relay with another payload for the stream that is opened.
func RelayAs(s *Stream, to *Conn, payload json.RawMessage) {
	other, err := to.open(payload, s)
	if err != nil {
		body, ok := err.(*ErrorBody)
		if !ok {
			body = &ErrorBody{Code: "agent_lost", Message: err.Error()}
		}
		s.FailWith(body)
		return
	}
	s.join(other)
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for !s.finished && s.failure != ErrClosed {
		s.cond.Wait()
	}
}

// join hands over what came before the other half existed, and lets what comes next go straight there.
func (s *Stream) join(other *Stream) {
	s.c.mu.Lock()
	if s.c.ended {
		s.c.mu.Unlock()
		other.Drop()
		return
	}
	defer s.c.mu.Unlock()
	s.relay = other
	for !s.in.empty() {
		next := s.in.pop()
		other.pass(next)
	}
	for _, event := range s.events {
		_ = other.pass(segment{kind: EventType, body: event})
	}
	s.events = nil
	if early := s.extraCredit; early > 0 {
		other.passCredit(early)
	}
	if s.failure == ErrCanceled {
		other.Cancel()
	}
}

// pass sends a frame that came on the other half. It reports false when the opener's events pile up.
func (s *Stream) pass(next segment) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.ended || s.finished || s.c.out.dead {
		next.free()
		return true
	}
	size := len(next.body)
	switch next.kind {
	case DataType:
		s.credit -= size
		s.queued += size
	case EventType:
		if s.opener && !s.roomForEvent(size) {
			return false
		}
		s.countEvent(size)
	case EOFType:
		s.spoken = s.spoken || s.opener
	case EndType, ErrorType:
		s.finishLocked(next.kind, next.body)
		return true
	}
	if next.kind == DataType && size < pooledFrom {
		s.out.pushData(next.channel, next.body)
		next.free()
	} else {
		s.out.push(next)
	}
	s.c.out.list(s)
	s.c.wake()
	return true
}

// passCredit gives the peer credit that came on the other half.
func (s *Stream) passCredit(n int) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.ended || s.finished {
		return
	}
	s.grant(n)
}

// partnerLost ends this half when the connection of the other has ended.
func (s *Stream) partnerLost() {
	if s.opener {
		s.c.mu.Lock()
		spoken := s.spoken
		s.c.mu.Unlock()
		if spoken {
			s.linger()
		} else {
			s.Drop()
		}
		return
	}
	s.Fail("agent_lost", "the sandbox's agent is gone", 0)
}

// linger lets the peer take what the opener had sent before it went. What the peer sends is dropped, and not made up for.
func (s *Stream) linger() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.finished || s.c.ended {
		return
	}
	s.relay = nil
	s.discard = true
	s.in.clear()
	time.AfterFunc(lingering, s.Drop)
}
