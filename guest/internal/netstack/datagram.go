package netstack

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

const (
	dnsPort = 53
	// lengthBytes stand before each datagram in a stream.
	lengthBytes = 2
	// mostIPv4 and mostIPv6 are the longest datagrams that go to the sandbox in one packet.
	mostIPv4 = 65_535 - header.IPv4MinimumSize - header.UDPMinimumSize
	mostIPv6 = 65_535 - header.IPv6MinimumSize - header.UDPMinimumSize
	// waitingDatagrams bounds what waits for the host in one flow, in bytes; further datagrams are lost.
	waitingDatagrams = 128 << 10
	// crowdIdle is how long a flow stays after its answer when there are many: a program that looks up thousands of names needs room,
	// and one that goes on with the same socket only begins another flow.
	crowdIdle = 10 * time.Millisecond
)

// datagram takes the first datagram of a flow, on the reading goroutine. False: the stack answers that the port is unreachable.
func (n *network) datagram(request *udp.ForwarderRequest) bool {
	ends := flowOf(request.ID())
	open := &n.datagrams
	if ends.dstPort == dnsPort && ends.dst == gatewayOf(ends.src) {
		open = &n.lookups
	}
	select {
	case <-n.conn.Done():
		return false
	default:
	}
	if open.Load() >= int64(n.options.UDPFlows) {
		return false
	}
	queue := &waiter.Queue{}
	endpoint, failed := request.CreateEndpoint(queue)
	if failed != nil {
		return false
	}
	endpoint.SocketOptions().SetReceiveBufferSize(waitingDatagrams, false)
	open.Add(1)
	go func() {
		defer open.Add(-1)
		defer endpoint.Close()
		n.serveDatagrams(ends, endpoint, queue, open)
	}()
	return true
}

// datagrams is a UDP flow of a program and its stream.
type datagrams struct {
	ends     flowID
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
	stream   *wire.Stream
	options  Options
	idle     *time.Timer
	// open is how many flows of its kind there are.
	open *atomic.Int64
	// over is set when the flow ended because nothing came any more, or the program has closed its socket.
	over atomic.Bool
	// unsent has a datagram that was read when the stream ended.
	unsent     *wire.Buf
	unsentSize int
}

func (n *network) serveDatagrams(ends flowID, endpoint tcpip.Endpoint, queue *waiter.Queue, open *atomic.Int64) {
	d := &datagrams{ends: ends, endpoint: endpoint, queue: queue, options: n.options, open: open}
	for {
		stream, err := flow.Open(n.conn, ends.request("udp"))
		if err != nil {
			break
		}
		d.stream = stream
		if !d.run() {
			break
		}
		// A datagram that came just when the flow ended begins it again, or a program would wait for an answer in vain.
		if d.unsent == nil && endpoint.Readiness(waiter.EventIn) == 0 {
			return
		}
	}
	// At once, so that a client of QUIC tries TCP.
	n.link.send(unreachable(ends.src, ends.dst, portUnreachable, quoted(ends, header.UDPProtocolNumber, 0)))
}

// run passes datagrams both ways, and reports whether the flow ended because it was idle.
func (d *datagrams) run() bool {
	d.over.Store(false)
	d.idle = time.AfterFunc(d.options.UDPIdle, d.end)
	stopped := make(chan struct{})
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		d.up(stopped)
	}()
	d.down()
	d.idle.Stop()
	d.stream.Drop()
	close(stopped)
	<-sent
	return d.over.Load()
}

func (d *datagrams) end() {
	d.over.Store(true)
	d.stream.Drop()
}

// up passes on what the program sends. It does not wait for the host's answer: a datagram may be lost.
func (d *datagrams) up(stopped <-chan struct{}) {
	entry, wake := waiter.NewChannelEntry(readable | broken)
	d.queue.EventRegister(&entry)
	defer d.queue.EventUnregister(&entry)
	for {
		buf, size, failed := d.next()
		switch failed.(type) {
		case nil:
			d.idle.Reset(d.options.UDPIdle)
			if err := d.stream.Write(wire.In, buf.Bytes()[:size]); err != nil {
				d.unsent, d.unsentSize = buf, size
				return
			}
			buf.Free()
		case *tcpip.ErrWouldBlock:
			select {
			case <-wake:
			case <-stopped:
				return
			}
		default:
			d.end()
			return
		}
	}
}

// next is the next datagram of the program, with its length before it.
func (d *datagrams) next() (*wire.Buf, int, tcpip.Error) {
	if buf := d.unsent; buf != nil {
		d.unsent = nil
		return buf, d.unsentSize, nil
	}
	buf := wire.NewBuf()
	into := tcpip.SliceWriter(buf.Bytes()[lengthBytes:])
	result, failed := d.endpoint.Read(&into, tcpip.ReadOptions{})
	if failed != nil {
		buf.Free()
		return nil, 0, failed
	}
	binary.LittleEndian.PutUint16(buf.Bytes(), uint16(result.Count))
	return buf, lengthBytes + result.Count, nil
}

// down passes on what the program receives, however the host cuts it.
func (d *datagrams) down() {
	var waiting []byte
	for {
		message, err := d.stream.Recv()
		if err != nil || message.Kind == wire.EndType {
			return
		}
		if message.Kind != wire.DataType {
			continue
		}
		data := message.Data
		if len(waiting) > 0 {
			waiting = append(waiting, data...)
			data = waiting
		}
		rest := d.cut(data)
		waiting = append(waiting[:0], rest...)
		if cap(waiting) > readBytes && len(waiting) == 0 {
			waiting = nil
		}
	}
}

// cut sends every whole datagram and returns the rest.
func (d *datagrams) cut(data []byte) []byte {
	for len(data) >= lengthBytes {
		size := int(binary.LittleEndian.Uint16(data))
		if len(data) < lengthBytes+size {
			break
		}
		d.send(data[lengthBytes : lengthBytes+size])
		data = data[lengthBytes+size:]
	}
	return data
}

func (d *datagrams) send(datagram []byte) {
	most := mostIPv4
	if d.ends.src == sandbox6 {
		most = mostIPv6
	}
	if len(datagram) > most {
		return
	}
	limit := d.options.UDPIdle
	if d.ends.dstPort == dnsPort {
		limit = d.options.DNSIdle
		if d.open.Load() > int64(d.options.UDPFlows/4) {
			limit = min(limit, crowdIdle)
		}
	}
	d.idle.Reset(limit)
	// What there is no room for is lost.
	_, _ = d.endpoint.Write(bytes.NewReader(datagram), tcpip.WriteOptions{})
}
