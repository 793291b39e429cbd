package wire

// fifo is first in, first out. It keeps no memory of a crowd that has gone.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) empty() bool { return q.head == len(q.items) }
func (q *fifo[T]) first() *T   { return &q.items[q.head] }

func (q *fifo[T]) push(item T) {
	if q.head > 32 && q.head > len(q.items)/2 {
		rest := copy(q.items, q.items[q.head:])
		clear(q.items[rest:])
		q.items, q.head = q.items[:rest], 0
	}
	q.items = append(q.items, item)
}

func (q *fifo[T]) pop() T {
	var none T
	item := q.items[q.head]
	q.items[q.head] = none
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > 64 {
			q.items = nil
		}
	}
	return item
}

// segment is a frame that waits: in a queue to the peer, or to the one who reads the stream. buf is set when body lies in a
// pooled buffer; else body was made for it.
type segment struct {
	kind    Type
	channel byte
	body    []byte
	buf     *Buf
}

func (s *segment) free() {
	if s.buf != nil {
		s.buf.Free()
		s.buf = nil
	}
	s.body = nil
}

// queue holds the segments of one stream. Small DATA grows the last segment of its channel, so that a peer who sends single
// bytes costs us about as much memory as it has credit, and not one segment for each byte.
type queue struct{ fifo[segment] }

// pushData copies the bytes behind what already waits on that channel, as long as nothing but DATA stands between.
func (q *queue) pushData(channel byte, data []byte) {
	// With two channels in turns, the segment to grow is the last or the one before it.
	for i := len(q.items) - 1; i >= q.head && i >= len(q.items)-2; i-- {
		s := &q.items[i]
		if s.kind != DataType {
			break
		}
		if s.channel != channel {
			continue
		}
		if len(s.body)+len(data) > MaxData {
			break
		}
		s.body = append(s.body, data...)
		return
	}
	if len(data) < pooledFrom {
		q.push(segment{kind: DataType, channel: channel, body: append([]byte(nil), data...)})
		return
	}
	buf := NewBuf()
	q.push(segment{kind: DataType, channel: channel, body: buf.room[:copy(buf.room[:], data)], buf: buf})
}

// pooledFrom is how many bytes are worth a pooled buffer of MaxData: what waits never takes more than four times its credit.
const pooledFrom = 16 << 10

// clear gives every buffer back.
func (q *queue) clear() {
	for !q.empty() {
		s := q.pop()
		s.free()
	}
}
