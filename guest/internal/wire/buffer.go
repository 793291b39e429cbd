package wire

import "sync"

// Buf holds the bytes of one DATA frame. Take it with NewBuf, fill Bytes()[:n], and pass it on with WriteBuf or give it back
// with Free, once.
type Buf struct {
	room [MaxData]byte
}

var pool = sync.Pool{New: func() any { return new(Buf) }}

// NewBuf takes a buffer of MaxData bytes from the pool; what is in it is left over from others.
func NewBuf() *Buf { return pool.Get().(*Buf) }

// Bytes is the whole room.
func (b *Buf) Bytes() []byte { return b.room[:] }

// Free gives the buffer back. It must not be used afterwards.
func (b *Buf) Free() { pool.Put(b) }
