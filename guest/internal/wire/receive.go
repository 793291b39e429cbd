package wire

import "encoding/json"

// Message is what Recv returns: DataType, EOFType, EventType, or EndType as the last.
type Message struct {
	Kind Type
	// Channel of DATA and EOF.
	Channel byte
	// Data is the content of DATA, or the JSON of EVENT and END. It is valid until the next Recv.
	Data []byte
}

// Decode reads the JSON of EVENT or END.
func (m Message) Decode(into any) error { return json.Unmarshal(m.Data, into) }

// creditBatch is how much is passed on before credit is given back, in bytes.
const creditBatch = 64 << 10

// Recv waits for the next message. It gives back the credit of the message before.
// Errors: *ErrorBody for the peer's ERROR; ErrCanceled on the side that serves; ErrEnded after END, End or Drop; ErrClosed.
func (s *Stream) Recv() (Message, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.settle()
	for s.in.empty() {
		switch {
		case s.finished || s.discard:
			return Message{}, ErrEnded
		case s.failure != nil:
			return Message{}, s.failure
		}
		s.cond.Wait()
	}
	if s.failure == ErrCanceled {
		return Message{}, ErrCanceled
	}
	s.held = s.in.pop()
	message := Message{s.held.kind, s.held.channel, s.held.body}
	if message.Kind == ErrorType {
		failure := &ErrorBody{}
		if err := json.Unmarshal(message.Data, failure); err != nil || failure.Code == "" {
			failure = &ErrorBody{Code: "protocol_error", Message: "an error without a code"}
		}
		return Message{}, failure
	}
	return message, nil
}

// settle is done with the message that Recv returned last.
func (s *Stream) settle() {
	if s.held.kind == DataType || s.held.kind == EventType {
		s.owed += len(s.held.body)
	}
	s.held.free()
	s.held = segment{}
	if s.owed >= creditBatch && !s.finished && !s.c.ended {
		s.grant(s.owed)
		s.owed = 0
	}
}

// grant lets the peer send n bytes more. The mutex is held.
func (s *Stream) grant(n int) {
	s.window += n
	s.creditDue += uint32(n)
	s.c.out.addControl(s)
	s.c.wake()
}

// OnEvent hands the opener's events to take, first those that have come. It runs on the reader's goroutine, with no lock held,
// and must not wait for anything. The payload is a JSON object.
func (s *Stream) OnEvent(take func(payload json.RawMessage)) {
	for {
		s.c.mu.Lock()
		waiting := s.events
		s.events, s.eventBytes = nil, 0
		if len(waiting) == 0 {
			s.onEvent = take
			s.c.mu.Unlock()
			return
		}
		s.c.mu.Unlock()
		for _, event := range waiting {
			take(event)
		}
	}
}
