package wire

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
)

// Reasons of a ProtocolError that the code asks for.
const reasonVersion = "version"

// readAhead is the room for small frames, in bytes; larger ones are read to where they stay.
const readAhead = 4 << 10

// source is a reader that frames are taken from.
type source struct {
	from       io.Reader
	room       []byte
	begin, end int
}

// peek returns the next n bytes, n ≤ readAhead, which stay valid until the next call, and takes them.
func (r *source) peek(n int) ([]byte, error) {
	if r.end-r.begin < n {
		r.end = copy(r.room, r.room[r.begin:r.end])
		r.begin = 0
		for r.end < n {
			m, err := r.from.Read(r.room[r.end:])
			r.end += m
			if err != nil && r.end < n {
				return nil, gone(err)
			}
		}
	}
	r.begin += n
	return r.room[r.begin-n : r.begin], nil
}

// full fills into.
func (r *source) full(into []byte) error {
	n := copy(into, r.room[r.begin:r.end])
	r.begin += n
	_, err := io.ReadFull(r.from, into[n:])
	return gone(err)
}

func (r *source) skip(n int) error {
	for n > 0 {
		part := min(n, readAhead)
		if _, err := r.peek(part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// gone makes one of all the ways in which a peer may leave.
func gone(err error) error {
	if err == nil {
		return nil
	}
	return io.EOF
}

// read takes frames until the connection ends, and says why. greeted is called when the peer has said HELLO.
func (c *Conn) read(greeted func()) error {
	in := &source{from: c.rw, room: make([]byte, readAhead)}
	hello := false
	for {
		raw, err := in.peek(HeaderBytes)
		if err != nil {
			return err
		}
		h, err := ParseHeader((*[HeaderBytes]byte)(raw))
		if err != nil {
			return err
		}
		switch {
		case !hello && h.Type == HelloType:
			if err := c.takeHello(in, h); err != nil {
				return err
			}
			hello = true
			greeted()
			close(c.ready)
		case !hello && h.Type != ErrorType:
			return broken("no hello")
		case h.Stream == 0:
			if ended, err := c.takeOwn(in, h); ended || err != nil {
				return err
			}
		case !hello:
			return broken("no hello")
		default:
			if err := c.takeFrame(in, h); err != nil {
				return err
			}
		}
	}
}

func (c *Conn) takeHello(in *source, h Header) error {
	payload, err := in.object(h)
	if err != nil {
		return err
	}
	var hello Hello
	if json.Unmarshal(payload, &hello) != nil || !slices.Contains([]string{"client", "daemon", "shim", "agent", "gateway"}, hello.Role) {
		return broken("hello")
	}
	if hello.Protocol < ProtocolVersion {
		return broken(reasonVersion)
	}
	c.peer = hello
	return nil
}

// object reads a whole JSON payload.
func (r *source) object(h Header) ([]byte, error) {
	payload := make([]byte, h.Length)
	if err := r.full(payload); err != nil {
		return nil, err
	}
	return payload, CheckPayload(h, payload)
}

// takeOwn takes a frame about the connection itself and reports whether it ends it.
func (c *Conn) takeOwn(in *source, h Header) (bool, error) {
	switch h.Type {
	case PingType:
		number, err := in.peek(int(h.Length))
		if err != nil {
			return true, err
		}
		return false, c.answer(frame{segment: segment{kind: PongType, body: slices.Clone(number)}})
	case PongType:
		number, err := in.peek(int(h.Length))
		if err != nil {
			return true, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		key := binary.LittleEndian.Uint64(number)
		if answered, ok := c.pings[key]; ok {
			delete(c.pings, key)
			close(answered)
		}
		return false, nil
	case ErrorType:
		payload, err := in.object(h)
		if err != nil {
			return true, err
		}
		return true, errorOf(payload)
	case ByeType:
		return true, nil
	}
	return true, broken("second hello")
}

// answer queues a frame that the peer asked for.
func (c *Conn) answer(next frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out.urgent.items)-c.out.urgent.head >= maxUrgent {
		return broken("flood")
	}
	c.out.urgent.push(next)
	c.wake()
	return nil
}

func errorOf(payload []byte) error {
	body := &ErrorBody{}
	if json.Unmarshal(payload, body) != nil || body.Code == "" {
		body = &ErrorBody{Code: "protocol_error", Message: "an error without a code"}
	}
	return body
}

// takeFrame takes a frame of a stream.
func (c *Conn) takeFrame(in *source, h Header) error {
	if h.Type == OpenType {
		return c.takeOpen(in, h)
	}
	c.mu.Lock()
	known := h.Stream <= c.last && h.Stream%2 == 1
	s := c.streams[h.Stream]
	c.mu.Unlock()
	if !known {
		return broken("unknown stream")
	}
	switch h.Type {
	case DataType:
		return c.takeData(in, h, s)
	case EOFType, CreditType, CancelType:
		payload, err := in.peek(int(h.Length))
		if err != nil {
			return err
		}
		if err := CheckPayload(h, payload); err != nil || s == nil {
			return err
		}
		switch h.Type {
		case EOFType:
			return s.takeEOF(payload[0])
		case CreditType:
			return s.takeCredit(binary.LittleEndian.Uint32(payload))
		}
		return s.takeCancel()
	}
	payload, err := in.object(h)
	if err != nil || s == nil {
		return err
	}
	if h.Type == EventType {
		return s.takeEvent(payload)
	}
	return s.takeEnd(h.Type, payload)
}

func (c *Conn) takeOpen(in *source, h Header) error {
	c.mu.Lock()
	fresh := c.handler != nil && h.Stream%2 == 1 && h.Stream > c.last
	full := len(c.streams) >= c.most
	if fresh {
		c.last = h.Stream
	}
	c.mu.Unlock()
	if !fresh {
		return broken("open")
	}
	if full {
		if err := in.skip(int(h.Length)); err != nil {
			return err
		}
		refusal := ErrorBody{Code: "too_many_streams", Message: "too many streams are open"}
		return c.answer(frame{h.Stream, segment{kind: ErrorType, body: encode(refusal)}})
	}
	payload, err := in.object(h)
	if err != nil {
		return err
	}
	s := newStream(c, h.Stream, false)
	s.payload = payload
	var head struct {
		Op string `json:"op"`
	}
	malformed := json.Unmarshal(payload, &head) != nil || head.Op == ""
	s.op = head.Op
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return ErrClosed
	}
	c.streams[s.id] = s
	c.mu.Unlock()
	if malformed {
		s.Fail("invalid", "op is missing", 0)
		return nil
	}
	go c.serve(s)
	return nil
}

// serve runs the handler. A stream that it forgot is not left open for ever.
func (c *Conn) serve(s *Stream) {
	c.handler(s)
	s.Fail("io", "the operation ended without a result", 0)
}

// takeData reads the content of DATA to where it stays.
func (c *Conn) takeData(in *source, h Header, s *Stream) error {
	raw, err := in.peek(1)
	if err != nil {
		return err
	}
	channel, n := raw[0], int(h.Length)-1
	if channel > Err {
		return broken("channel")
	}
	if s == nil {
		return in.skip(n)
	}
	keep, err := s.admit(channel, n)
	if err != nil {
		return err
	}
	if !keep {
		return in.skip(n)
	}
	next := segment{kind: DataType, channel: channel}
	switch {
	case n <= readAhead:
		if next.body, err = in.peek(n); err != nil {
			return err
		}
	default:
		next.buf = NewBuf()
		next.body = next.buf.room[:n]
		if err := in.full(next.body); err != nil {
			next.free()
			return err
		}
	}
	s.keep(next)
	return nil
}
