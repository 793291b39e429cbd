package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sendAhead is how much one stream may have queued before its Write waits, in bytes.
	sendAhead = 128 << 10
	// batchBytes and batchFrames bound what one system call writes, and so how long an answer to a PING waits.
	batchBytes  = 128 << 10
	batchFrames = 32
	// maxUrgent bounds answers to a peer that asks and does not read, in frames.
	maxUrgent = 1024
)

// lane is where a stream waits for its turn.
type lane byte

const (
	idle lane = iota
	// eventful: its next frame is not DATA.
	eventful
	// bulky: its next frame is DATA.
	bulky
)

// frame is a segment with the stream it goes to.
type frame struct {
	stream uint32
	segment
}

// outbox is what waits to be written, most urgent first. Guarded by the connection's mutex, but for batch while writing.
type outbox struct {
	urgent   fifo[frame]   // about the connection itself
	control  fifo[*Stream] // with OPEN, CREDIT or CANCEL due
	eventful fifo[*Stream]
	bulky    fifo[*Stream]
	bye      bool // say BYE when nothing else waits
	writing  bool // a goroutine writes
	dead     bool // writing failed; nothing is queued any more
	batch    batch
}

// batch is what one system call writes.
type batch struct {
	headers []byte
	parts   [][]byte
	bufs    []*Buf
	bytes   int
}

func (o *outbox) addControl(s *Stream) {
	if !s.inControl {
		s.inControl = true
		o.control.push(s)
	}
}

// list gives a stream its turn, unless it has one.
func (o *outbox) list(s *Stream) {
	if s.lane != idle || s.out.empty() {
		return
	}
	if s.out.first().kind == DataType {
		s.lane = bulky
		o.bulky.push(s)
	} else {
		s.lane = eventful
		o.eventful.push(s)
	}
}

// drop forgets everything that waits.
func (o *outbox) drop() {
	o.urgent = fifo[frame]{}
	for _, line := range []*fifo[*Stream]{&o.control, &o.eventful, &o.bulky} {
		for !line.empty() {
			s := line.pop()
			s.out.clear()
			s.lane, s.inControl = idle, false
		}
	}
	o.bye = false
}

func (o *outbox) empty() bool {
	return o.urgent.empty() && o.control.empty() && o.eventful.empty() && o.bulky.empty()
}

// wake sees to it that a goroutine writes. The mutex is held.
func (c *Conn) wake() {
	if c.out.dead {
		c.out.drop()
		if c.leaving {
			go c.end(nil)
		}
		return
	}
	if c.out.writing || c.ended || (c.out.empty() && !c.leaving) {
		return
	}
	c.out.writing = true
	go c.write()
}

// write writes batches until nothing waits.
func (c *Conn) write() {
	for {
		c.mu.Lock()
		c.fill()
		if c.out.batch.bytes == 0 {
			leave := c.leaving
			c.out.writing = false
			c.mu.Unlock()
			if leave {
				c.end(nil)
			}
			return
		}
		c.mu.Unlock()
		err := c.writeBatch(c.out.batch.parts)
		for _, buf := range c.out.batch.bufs {
			buf.Free()
		}
		if err != nil {
			c.mu.Lock()
			c.out.dead, c.out.writing = true, false
			c.out.drop()
			for _, s := range c.streams {
				s.cond.Broadcast()
			}
			leave := c.leaving
			c.mu.Unlock()
			if leave {
				c.end(nil)
				return
			}
			// What the peer wrote before it went is still to be read; then the reader finds the end.
			time.AfterFunc(reproachTimeout, func() { c.end(io.EOF) })
			return
		}
	}
}

// fill takes the next batch out of the queues. The mutex is held.
func (c *Conn) fill() {
	o, b := &c.out, &c.out.batch
	clear(b.parts)
	clear(b.bufs)
	b.headers, b.parts, b.bufs, b.bytes = b.headers[:0], b.parts[:0], b.bufs[:0], 0
	for !o.urgent.empty() && b.room() {
		next := o.urgent.pop()
		b.add(next.stream, next.segment)
	}
	for !o.control.empty() && b.room() {
		c.fillControl(o.control.pop())
	}
	for !o.eventful.empty() && b.room() {
		c.fillNext(o.eventful.pop())
	}
	for !o.bulky.empty() && b.room() {
		c.fillNext(o.bulky.pop())
	}
	if b.bytes == 0 && o.bye {
		o.bye = false
		b.add(0, segment{kind: ByeType})
	}
}

// fillControl takes what passes the queue of a stream: three frames at most.
func (c *Conn) fillControl(s *Stream) {
	b := &c.out.batch
	s.inControl = false
	if s.openDue != nil {
		b.add(s.id, segment{kind: OpenType, body: s.openDue})
		s.openDue = nil
	}
	if s.finished {
		return
	}
	if s.creditDue > 0 {
		b.add(s.id, segment{kind: CreditType, body: binary.LittleEndian.AppendUint32(nil, s.creditDue)})
		s.creditDue = 0
	}
	if s.cancelDue {
		b.add(s.id, segment{kind: CancelType})
		s.cancelDue = false
	}
}

// fillNext takes the next frame of a stream and gives it its next turn.
func (c *Conn) fillNext(s *Stream) {
	s.lane = idle
	if s.out.empty() {
		return
	}
	next := s.out.pop()
	switch {
	case next.kind == EventType && s.opener:
		s.eventsQueued -= len(next.body)
	case next.kind == EventType || next.kind == DataType:
		s.queued -= len(next.body)
	}
	c.out.batch.add(s.id, next)
	c.out.list(s)
	if next.kind == EndType || next.kind == ErrorType {
		// Not before: a peer that does not read must not be able to open streams without end.
		delete(c.streams, s.id)
	}
	s.cond.Broadcast()
}

func (b *batch) room() bool { return b.bytes < batchBytes && len(b.parts) < 2*batchFrames }

func (b *batch) add(stream uint32, s segment) {
	length, begin := len(s.body), len(b.headers)
	onChannel := s.kind == DataType || s.kind == EOFType
	if onChannel {
		length++
	}
	b.headers = appendHeader(b.headers, stream, s.kind, length)
	if onChannel {
		b.headers = append(b.headers, s.channel)
	}
	b.parts = append(b.parts, b.headers[begin:len(b.headers):len(b.headers)])
	if len(s.body) > 0 {
		b.parts = append(b.parts, s.body)
	}
	if s.buf != nil {
		b.bufs = append(b.bufs, s.buf)
	}
	b.bytes += HeaderBytes + length
}

func (c *Conn) writeBatch(parts [][]byte) error {
	if c.raw == nil {
		for _, part := range parts {
			if _, err := c.rw.Write(part); err != nil {
				return err
			}
		}
		return nil
	}
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		for len(parts) > 0 {
			n, err := unix.Writev(int(fd), parts)
			switch {
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				return false
			case err != nil:
				failed = err
				return true
			}
			parts = advance(parts, n)
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

// advance leaves out the first n bytes.
func advance(parts [][]byte, n int) [][]byte {
	for n > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n > 0 {
		parts[0] = parts[0][n:]
	}
	return parts
}
