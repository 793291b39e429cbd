package wire

import "encoding/json"

// What arrives on a stream, on the reader's goroutine. None of it waits.

// admit checks DATA against credit and channel, before it is read. keep is false when nobody wants it any more.
func (s *Stream) admit(channel byte, n int) (keep bool, err error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !s.mayCarry(channel) {
		return false, broken("channel")
	}
	if s.finished {
		return false, nil
	}
	if s.eof[channel] {
		return false, broken("data after eof")
	}
	if n > s.window {
		return false, broken("credit")
	}
	s.window -= n
	return !s.discard, nil
}

// mayCarry says whether the peer may use that channel.
func (s *Stream) mayCarry(channel byte) bool { return s.opener == (channel != In) }

// keep puts DATA where Recv finds it, or passes it on. Small content is copied; its memory belongs to the reader.
func (s *Stream) keep(next segment) {
	s.c.mu.Lock()
	// Not sooner: the other half may have come while the content was read.
	if relay := s.relay; relay != nil {
		s.c.mu.Unlock()
		relay.pass(next)
		return
	}
	defer s.c.mu.Unlock()
	switch {
	case s.finished || s.discard:
		next.free()
		return
	case len(next.body) >= pooledFrom:
		s.in.push(next)
	default:
		s.in.pushData(next.channel, next.body)
		next.free()
	}
	s.cond.Broadcast()
}

func (s *Stream) takeEOF(channel byte) error {
	s.c.mu.Lock()
	if !s.mayCarry(channel) {
		s.c.mu.Unlock()
		return broken("channel")
	}
	if s.finished {
		s.c.mu.Unlock()
		return nil
	}
	if s.eof[channel] {
		s.c.mu.Unlock()
		return broken("second eof")
	}
	s.eof[channel] = true
	return s.deliver(segment{kind: EOFType, channel: channel})
}

// deliver gives a frame to the other half or to Recv. It releases the mutex.
func (s *Stream) deliver(next segment) error {
	relay := s.relay
	if relay == nil {
		if !s.discard {
			s.in.push(next)
			s.cond.Broadcast()
		}
		s.c.mu.Unlock()
		return nil
	}
	s.c.mu.Unlock()
	if !relay.pass(next) {
		return broken("events")
	}
	return nil
}

func (s *Stream) takeCredit(n uint32) error {
	s.c.mu.Lock()
	if s.finished {
		s.c.mu.Unlock()
		return nil
	}
	if int64(s.credit)+int64(n) > MaxCredit {
		s.c.mu.Unlock()
		return broken("credit")
	}
	s.credit += int(n)
	relay := s.relay
	if relay == nil {
		s.extraCredit += int(n)
	}
	s.cond.Broadcast()
	s.c.mu.Unlock()
	if relay != nil {
		relay.passCredit(int(n))
	}
	return nil
}

func (s *Stream) takeCancel() error {
	s.c.mu.Lock()
	if s.opener {
		s.c.mu.Unlock()
		return broken("cancel")
	}
	if s.finished || s.failure != nil {
		s.c.mu.Unlock()
		return nil
	}
	s.failure = ErrCanceled
	close(s.canceled)
	s.in.clear()
	s.cond.Broadcast()
	relay := s.relay
	s.c.mu.Unlock()
	if relay != nil {
		relay.Cancel()
	}
	return nil
}

func (s *Stream) takeEvent(payload []byte) error {
	s.c.mu.Lock()
	if s.finished {
		s.c.mu.Unlock()
		return nil
	}
	if s.opener || s.relay != nil {
		if s.opener {
			if len(payload) > s.window {
				s.c.mu.Unlock()
				return broken("credit")
			}
			s.window -= len(payload)
		}
		return s.deliver(segment{kind: EventType, body: payload})
	}
	if take := s.onEvent; take != nil {
		s.c.mu.Unlock()
		take(json.RawMessage(payload))
		return nil
	}
	defer s.c.mu.Unlock()
	if s.eventBytes+len(payload) > MaxWaitingEvents {
		return broken("events")
	}
	s.events = append(s.events, payload)
	s.eventBytes += len(payload)
	return nil
}

// takeEnd is the last frame of a stream that we opened.
func (s *Stream) takeEnd(kind Type, payload []byte) error {
	s.c.mu.Lock()
	if !s.opener {
		s.c.mu.Unlock()
		return broken("end")
	}
	delete(s.c.streams, s.id)
	s.finished = true
	s.out.clear()
	s.cond.Broadcast()
	return s.deliver(segment{kind: kind, body: payload})
}
