package netstack

import (
	"bytes"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"agentkernel/guest/internal/wire"
)

const (
	// roomForAll is what all connections together should have waiting in one direction, in bytes: with many, each has less.
	roomForAll = 128 << 20
	// fewestBytes is the least that one connection has.
	fewestBytes = 64 << 10

	// A connection that says nothing is asked whether it is still there: the kernel forgets one whose program has closed it, and
	// says so only when asked.
	keepaliveIdle     = 2 * time.Minute
	keepaliveInterval = 30 * time.Second
	keepaliveCount    = 4
)

const (
	readable = waiter.EventIn | waiter.EventRdHUp
	writable = waiter.EventOut
	broken   = waiter.EventErr | waiter.EventHUp
)

// tune gives an endpoint its buffers and limits.
func (n *network) tune(endpoint tcpip.Endpoint) {
	options := endpoint.SocketOptions()
	if share := roomForAll / max(n.connections.Load(), 1); share < usualBuffer {
		share = max(share, fewestBytes)
		options.SetReceiveBufferSize(share, true)
		options.SetSendBufferSize(share, true)
	}
	idle, interval := tcpip.KeepaliveIdleOption(keepaliveIdle), tcpip.KeepaliveIntervalOption(keepaliveInterval)
	_ = endpoint.SetSockOpt(&idle)
	_ = endpoint.SetSockOpt(&interval)
	_ = endpoint.SetSockOptInt(tcpip.KeepaliveCountOption, keepaliveCount)
	options.SetKeepAlive(true)
}

// connection is a TCP connection of a program and its stream.
type connection struct {
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
	stream   *wire.Stream
	// ended is set when we have sent the last byte to the program.
	ended atomic.Bool
}

// run passes bytes both ways until both directions have ended or one side is gone. It uses one goroutine more.
func (c *connection) run() {
	watch := waiter.NewFunctionEntry(broken, func(waiter.EventMask) { go c.checkReset() })
	c.queue.EventRegister(&watch)
	c.checkReset()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.up()
	}()
	if c.down() {
		c.endpoint.Close()
	} else {
		c.stream.Drop()
		c.endpoint.Abort()
	}
	<-sent
	c.queue.EventUnregister(&watch)
}

// checkReset lets go of the stream when the program has reset the connection: nobody else would notice while up waits for credit and
// down for bytes.
func (c *connection) checkReset() {
	switch tcp.EndpointState(c.endpoint.State()) {
	case tcp.StateError:
		c.stream.Drop()
	case tcp.StateClose:
		if !c.ended.Load() {
			c.stream.Drop()
		}
	}
}

// up passes on what the program sends.
func (c *connection) up() {
	entry, wake := waiter.NewChannelEntry(readable | broken)
	c.queue.EventRegister(&entry)
	defer c.queue.EventUnregister(&entry)
	for {
		buf := wire.NewBuf()
		into := tcpip.SliceWriter(buf.Bytes())
		result, failed := c.endpoint.Read(&into, tcpip.ReadOptions{})
		switch failed.(type) {
		case nil:
			c.endpoint.ModerateRecvBuf(result.Count)
			if c.stream.WriteBuf(wire.In, buf, result.Count) != nil {
				// down finds out why, and ends the connection.
				return
			}
			continue
		case *tcpip.ErrWouldBlock:
			buf.Free()
			<-wake
			continue
		case *tcpip.ErrClosedForReceive:
			c.stream.CloseChannel(wire.In)
		default:
			c.stream.Drop()
		}
		buf.Free()
		return
	}
}

// down passes on what the program receives, and reports whether the stream ended well.
func (c *connection) down() bool {
	for {
		message, err := c.stream.Recv()
		if err != nil {
			return false
		}
		switch message.Kind {
		case wire.DataType:
			if !c.write(message.Data) {
				return false
			}
		case wire.EOFType:
			c.ended.Store(true)
			_ = c.endpoint.Shutdown(tcpip.ShutdownWrite)
		case wire.EndType:
			c.ended.Store(true)
			return true
		}
	}
}

func (c *connection) write(data []byte) bool {
	from := bytes.NewReader(data)
	for from.Len() > 0 {
		_, failed := c.endpoint.Write(from, tcpip.WriteOptions{})
		switch failed.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			if !c.awaitRoom() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// awaitRoom waits until the program has read something.
func (c *connection) awaitRoom() bool {
	entry, wake := waiter.NewChannelEntry(writable | broken)
	c.queue.EventRegister(&entry)
	defer c.queue.EventUnregister(&entry)
	for c.endpoint.Readiness(writable) == 0 {
		select {
		case <-wake:
		case <-c.stream.Canceled():
			// The connection to the host has ended.
			return false
		}
	}
	return true
}
