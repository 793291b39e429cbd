package wire

import (
	"encoding/json"
	"sync"
)

// Stream is one operation on a connection. Its methods may be called from any goroutine; Recv from one at a time.
type Stream struct {
	c       *Conn
	id      uint32
	opener  bool
	op      string
	payload json.RawMessage
	// canceled is closed at CANCEL and at the end of the connection.
	canceled chan struct{}

	// All below is guarded by the connection's mutex; cond tells of changes.
	cond *sync.Cond

	out    queue
	queued int // bytes in out that used credit
	credit int // bytes of DATA, and of a server's EVENTs, that the peer will take
	// eventsQueued are bytes in out of the opener's events, which use no credit.
	eventsQueued int
	lane         lane
	inControl    bool
	openDue      []byte
	creditDue    uint32
	cancelDue    bool
	closed       [3]bool // EOF was sent
	survives     bool    // Write goes on after CANCEL
	finished     bool    // END or ERROR was queued or has come
	failure      error   // the connection ended, or CANCEL came
	wasCanceled  bool    // CANCEL came before the connection ended

	in         queue
	window     int     // bytes that the peer may still send
	owed       int     // bytes passed on and not yet given back
	held       segment // what Recv returned last
	eof        [3]bool // EOF has come
	discard    bool    // nobody reads any more
	onEvent    func(payload json.RawMessage)
	events     [][]byte
	eventBytes int

	relay *Stream // the other half
	// spoken says that the other half, the opener's, sent EOF.
	spoken bool
	// extraCredit came while there was no other half yet.
	extraCredit int
}

func newStream(c *Conn, id uint32, opener bool) *Stream {
	return &Stream{
		c: c, id: id, opener: opener,
		canceled: make(chan struct{}), cond: sync.NewCond(&c.mu),
		credit: InitialCredit, window: InitialCredit,
	}
}

// Op is the operation's name, on the side that serves it.
func (s *Stream) Op() string { return s.op }

// Payload is the JSON that opened the stream, on the side that serves it.
func (s *Stream) Payload() json.RawMessage { return s.payload }

// Conn is the connection of the stream.
func (s *Stream) Conn() *Conn { return s.c }

// Canceled is closed when the opener sent CANCEL and when the connection ends.
func (s *Stream) Canceled() <-chan struct{} { return s.canceled }

// WasCanceled tells whether the opener sent CANCEL, also when its connection has ended since.
func (s *Stream) WasCanceled() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.wasCanceled || s.failure == ErrCanceled
}

// Survive lets Write and Event go on after a CANCEL: the one who serves still has something to say. They still fail when the
// connection ends.
func (s *Stream) Survive() {
	s.c.mu.Lock()
	s.survives = true
	s.c.mu.Unlock()
}

// Write sends a copy of p on a channel. It waits for credit and for room in the stream's queue.
// Errors: ErrEnded after End, Fail, CloseChannel or the peer's END; ErrCanceled; ErrClosed.
func (s *Stream) Write(channel byte, p []byte) error {
	for len(p) > 0 {
		n, err := s.writeSome(channel, p, nil)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// WriteBuf sends the first n bytes of buf on a channel without a copy and takes buf, whatever it returns. It waits as Write does.
func (s *Stream) WriteBuf(channel byte, buf *Buf, n int) error {
	for sent := 0; sent < n; {
		m, err := s.writeSome(channel, buf.room[sent:n], buf)
		if err != nil {
			buf.Free()
			return err
		}
		sent += m
	}
	return nil
}

// writeSome queues as much of p as credit and a frame allow, at least one byte, and says how much. With the last of p it takes
// buf, which p lies in, if there is one.
func (s *Stream) writeSome(channel byte, p []byte, buf *Buf) (int, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for s.mayWrite(channel) == nil && (s.credit == 0 || s.queued >= sendAhead) {
		s.cond.Wait()
	}
	if err := s.mayWrite(channel); err != nil {
		return 0, err
	}
	n := min(len(p), s.credit, MaxData)
	s.credit -= n
	s.queued += n
	if buf != nil && n == len(p) && n >= pooledFrom {
		s.out.push(segment{kind: DataType, channel: channel, body: p, buf: buf})
	} else {
		s.out.pushData(channel, p[:n])
		if buf != nil && n == len(p) {
			buf.Free()
		}
	}
	s.c.out.list(s)
	s.c.wake()
	return n, nil
}

func (s *Stream) mayWrite(channel byte) error {
	if s.closed[channel] {
		return ErrEnded
	}
	return s.maySend()
}

func (s *Stream) maySend() error {
	switch {
	case s.finished:
		return ErrEnded
	case s.failure == ErrCanceled && s.survives:
		return nil
	case s.failure == nil && (s.c.ended || s.c.out.dead):
		return ErrClosed
	}
	return s.failure
}

// CloseChannel says that nothing more comes on a channel. A second time it does nothing.
func (s *Stream) CloseChannel(channel byte) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.closed[channel] || s.finished {
		return
	}
	s.closed[channel] = true
	s.queueLocked(segment{kind: EOFType, channel: channel})
}

// Event sends an event. From the one who serves it waits for credit like Write; the opener's wait for nothing but each other.
// Errors as of Write, and *ProtocolError for an event that is too long.
func (s *Stream) Event(event any) error {
	body := encode(event)
	if len(body) > MaxJSON || len(body) < 2 {
		return broken("length")
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for s.maySend() == nil && !s.roomForEvent(len(body)) {
		s.cond.Wait()
	}
	if err := s.maySend(); err != nil {
		return err
	}
	s.countEvent(len(body))
	s.queueLocked(segment{kind: EventType, body: body})
	return nil
}

func (s *Stream) roomForEvent(size int) bool {
	if s.opener {
		return s.eventsQueued+size <= MaxWaitingEvents
	}
	return s.credit >= size && s.queued < sendAhead
}

// countEvent counts an event that is queued: the opener's are free.
func (s *Stream) countEvent(size int) {
	if s.opener {
		s.eventsQueued += size
		return
	}
	s.credit -= size
	s.queued += size
}

// End ends a stream that we serve, with its result. After End or Fail it does nothing.
func (s *Stream) End(result any) { s.finish(EndType, encode(result)) }

// Fail ends a stream that we serve with an error. errno is 0 when there is none.
func (s *Stream) Fail(code, message string, errno int) {
	const longest = 4096
	if len(message) > longest {
		message = message[:longest]
	}
	s.finish(ErrorType, encode(ErrorBody{code, message, errno}))
}

// FailWith is Fail with an error that came from elsewhere.
func (s *Stream) FailWith(body *ErrorBody) { s.Fail(body.Code, body.Message, body.Errno) }

func (s *Stream) finish(kind Type, body []byte) {
	if len(body) > MaxJSON {
		kind, body = ErrorType, encode(ErrorBody{Code: "io", Message: "the result is too long"})
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.finishLocked(kind, body)
}

func (s *Stream) finishLocked(kind Type, body []byte) {
	if s.finished || s.opener {
		return
	}
	s.queueLocked(segment{kind: kind, body: body})
	s.finished = true
	s.in.clear()
	s.events = nil
	s.cond.Broadcast()
}

// queueLocked adds a frame behind everything else of the stream.
func (s *Stream) queueLocked(next segment) {
	if s.c.ended || s.finished {
		return
	}
	s.out.push(next)
	s.c.out.list(s)
	s.c.wake()
}

// Cancel says that we, the opener, are no longer interested. Recv goes on to END or ERROR, or use Drop.
func (s *Stream) Cancel() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.cancelLocked()
}

// Drop cancels and forgets: nothing of the stream is kept from now on, and Recv fails.
func (s *Stream) Drop() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.cancelLocked()
	s.discard = true
	s.in.clear()
	s.cond.Broadcast()
}

func (s *Stream) cancelLocked() {
	if s.finished || !s.opener || s.c.ended {
		return
	}
	s.cancelDue = true
	s.c.out.addControl(s)
	s.c.wake()
}

// Finished tells whether END or ERROR was sent or has come.
func (s *Stream) Finished() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.finished
}

// lose ends everything that waits for this stream, when the connection ends. The mutex is held.
func (s *Stream) lose() {
	if s.failure == nil {
		close(s.canceled)
	}
	s.wasCanceled = s.failure == ErrCanceled
	s.failure = ErrClosed
	s.out.clear()
	s.cond.Broadcast()
}
