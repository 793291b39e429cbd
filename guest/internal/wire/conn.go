package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	// ErrClosed means that the connection has ended.
	ErrClosed = errors.New("the connection has ended")
	// ErrCanceled means that the opener of the stream sent CANCEL.
	ErrCanceled = errors.New("the stream was canceled")
	// ErrEnded means that the stream, or this channel of it, has ended.
	ErrEnded = errors.New("the stream has ended")
)

const (
	// helloTimeout is how long the peer may take for its HELLO.
	helloTimeout = 10 * time.Second
	// partingTimeout is how long writing what is queued may take when we leave.
	partingTimeout = 5 * time.Second
	// reproachTimeout is how long we try to tell a peer what it did wrong.
	reproachTimeout = time.Second
)

// Conn is one connection. Its methods may be called from any goroutine.
type Conn struct {
	rw      io.ReadWriteCloser
	raw     syscall.RawConn // of rw, where it has a descriptor
	handler func(*Stream)

	ready chan struct{} // closed when the peer's HELLO has come
	done  chan struct{} // closed when the connection has ended
	peer  Hello

	mu      sync.Mutex
	streams map[uint32]*Stream
	// greetWithin is how long the peer may take for its HELLO.
	greetWithin time.Duration
	// most streams may be open at once.
	most int
	// last is the highest stream number opened in this connection, by whoever opens them.
	last uint32
	// opening is how many calls of Open have not returned: they wait for the peer's HELLO.
	opening atomic.Int32
	err     error // why the connection ended
	ended   bool
	leaving bool // nothing begins any more; the writer closes when all is written
	pings   map[uint64]chan struct{}
	pinged  uint64
	out     outbox
}

// NewConn makes a connection over rw, which it owns from then on. With a handler we serve the streams that the peer opens;
// without, we open them. Nothing is read or written before Run. hello.Protocol is filled in.
func NewConn(rw io.ReadWriteCloser, hello Hello, handler func(*Stream)) *Conn {
	c := &Conn{
		rw: rw, handler: handler,
		ready: make(chan struct{}), done: make(chan struct{}),
		streams: make(map[uint32]*Stream), most: MaxStreams, greetWithin: helloTimeout,
	}
	if handle, ok := rw.(syscall.Conn); ok {
		if raw, err := handle.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	hello.Protocol = ProtocolVersion
	if hello.Features == nil {
		hello.Features = []string{}
	}
	c.out.urgent.push(frame{segment: segment{kind: HelloType, body: encode(hello)}})
	return c
}

// AllowStreams sets how many streams may be open at once, in place of MaxStreams. It belongs before Run.
func (c *Conn) AllowStreams(most int) { c.most = most }

// AwaitHello lets the peer take that long for its HELLO, instead of 10 seconds. Before Run.
func (c *Conn) AwaitHello(limit time.Duration) { c.greetWithin = limit }

// Run exchanges hellos and reads until the connection ends. It returns nil after the peer's BYE or our own Close or Bye, io.EOF
// when the peer went without BYE, a *ProtocolError when it broke a rule, an *ErrorBody when it says that we did.
func (c *Conn) Run() error {
	hello := time.AfterFunc(c.greetWithin, func() { c.end(broken("no hello")) })
	defer hello.Stop()
	c.mu.Lock()
	c.wake()
	c.mu.Unlock()
	err := c.read(func() { hello.Stop() })
	var rule *ProtocolError
	if errors.As(err, &rule) {
		c.reproach(rule)
	}
	c.end(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// reproach tells the peer which rule it broke, if it still reads.
func (c *Conn) reproach(rule *ProtocolError) {
	code := "protocol_error"
	if rule.Reason == reasonVersion {
		code = "protocol_version"
	}
	c.mu.Lock()
	if !c.leaving && !c.ended {
		c.leaving = true
		c.err = rule
		c.out.drop()
		c.out.urgent.push(frame{segment: segment{kind: ErrorType, body: encode(ErrorBody{Code: code, Message: rule.Reason})}})
		c.wake()
	}
	c.mu.Unlock()
	c.awaitEnd(reproachTimeout)
}

// Ready is closed when the peer's HELLO has come.
func (c *Conn) Ready() <-chan struct{} { return c.ready }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Peer waits for the peer's HELLO; it is empty when the connection ended before that.
func (c *Conn) Peer() Hello {
	select {
	case <-c.ready:
		return c.peer
	case <-c.done:
	}
	select {
	case <-c.ready:
		return c.peer
	default:
		return Hello{}
	}
}

// Open waits for the peer's HELLO and begins a stream. The payload, a JSON object with a member op, is encoded unless it is a
// json.RawMessage. Errors: ErrClosed; *ErrorBody too_many_streams when as many are open as may be; *ProtocolError for a payload
// that may not be sent.
func (c *Conn) Open(payload any) (*Stream, error) { return c.open(payload, nil) }

func (c *Conn) open(payload any, relay *Stream) (*Stream, error) {
	body, ok := payload.(json.RawMessage)
	if !ok {
		body = encode(payload)
	}
	if len(body) > MaxPayload {
		return nil, broken("length")
	}
	if err := checkObject(body); err != nil {
		return nil, err
	}
	c.opening.Add(1)
	defer c.opening.Add(-1)
	select {
	case <-c.ready:
	case <-c.done:
		return nil, ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.leaving || c.handler != nil || c.last > 1<<32-3 {
		return nil, ErrClosed
	}
	if len(c.streams) >= c.most {
		return nil, &ErrorBody{Code: "too_many_streams", Message: "too many streams are open"}
	}
	// Odd numbers: 1, 3, 5, …
	c.last += 2 - (c.last+1)%2
	s := newStream(c, c.last, true)
	s.relay = relay
	s.openDue = body
	c.streams[s.id] = s
	c.out.addControl(s)
	c.wake()
	return s, nil
}

// Ping measures how long the peer takes to answer, and waits no longer than the limit.
func (c *Conn) Ping(limit time.Duration) (time.Duration, error) {
	answered := make(chan struct{})
	c.mu.Lock()
	if c.ended || c.leaving {
		c.mu.Unlock()
		return 0, ErrClosed
	}
	c.pinged++
	number := c.pinged
	if c.pings == nil {
		c.pings = make(map[uint64]chan struct{})
	}
	c.pings[number] = answered
	c.out.urgent.push(frame{segment: segment{kind: PingType, body: binary.LittleEndian.AppendUint64(nil, number)}})
	begin := time.Now()
	c.wake()
	c.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	defer func() {
		c.mu.Lock()
		delete(c.pings, number)
		c.mu.Unlock()
	}()
	select {
	case <-answered:
		return time.Since(begin), nil
	case <-c.done:
		return 0, ErrClosed
	case <-timer.C:
		return 0, syscall.ETIMEDOUT
	}
}

// Bye writes what is queued, says BYE, and closes. It returns when that is done, after five seconds at the latest.
func (c *Conn) Bye() {
	c.mu.Lock()
	if !c.ended && !c.leaving {
		c.leaving = true
		c.out.bye = true
		c.wake()
	}
	c.mu.Unlock()
	c.awaitEnd(partingTimeout)
	c.end(nil)
}

func (c *Conn) awaitEnd(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
}

// Close ends the connection at once, without BYE. It may be called again.
func (c *Conn) Close() {
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	c.end(nil)
}

// end is how every connection ends, once: streams fail, waiting calls return, the descriptor is closed.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	if c.err == nil && !(c.leaving && err == io.EOF) {
		c.err = err
	}
	streams := c.streams
	c.streams = nil
	c.out.drop()
	for _, s := range streams {
		s.lose()
	}
	c.mu.Unlock()
	_ = c.rw.Close()
	close(c.done)
	for _, s := range streams {
		if s.relay != nil {
			s.relay.partnerLost()
		}
	}
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		// Only a value that has no JSON form at all comes here, which is a bug of the caller.
		panic(err)
	}
	return text
}
