package netstack

import (
	"errors"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

// noteSYN remembers the sequence number of a connection that begins.
func (n *network) noteSYN(id stack.TransportEndpointID, packet *stack.PacketBuffer) {
	segment := header.TCP(packet.TransportHeader().Slice())
	if len(segment) < header.TCPMinimumSize || segment.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.syns[id]; !known && len(n.syns) < n.options.SYNs {
		n.syns[id] = segment.SequenceNumber()
	}
}

func (n *network) takeSYN(id stack.TransportEndpointID) (sequence uint32, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sequence, known = n.syns[id]
	delete(n.syns, id)
	return sequence, known
}

// connect takes a TCP connection from its SYN to its end, in a goroutine of its own.
func (n *network) connect(request *tcp.ForwarderRequest) {
	id := request.ID()
	stream, err := flow.Connect(n.conn, flowOf(id).request("tcp"), n.options.Connect)
	if err != nil {
		n.refuse(request, err)
		return
	}
	queue := &waiter.Queue{}
	endpoint, failed := request.CreateEndpoint(queue)
	n.takeSYN(id)
	request.Complete(false)
	if failed != nil {
		// The program did not wait, or never was: the address was made up.
		stream.Drop()
		return
	}
	n.connections.Add(1)
	defer func() {
		n.connections.Add(-1)
		n.tidy.Reset(quiet)
	}()
	n.tune(endpoint)
	(&connection{endpoint: endpoint, queue: queue, stream: stream}).run()
}

// refuse tells the program why: a reset, or that nothing is there.
func (n *network) refuse(request *tcp.ForwarderRequest, why error) {
	id := request.ID()
	sequence, known := n.takeSYN(id)
	if !known || !isUnreachable(why) {
		request.Complete(true)
		return
	}
	ends := flowOf(id)
	n.link.send(unreachable(ends.src, gatewayOf(ends.src), hostUnreachable, quoted(ends, header.TCPProtocolNumber, sequence)))
	request.Complete(false)
}

// isUnreachable tells whether nothing answered over there. That took its time already: a program need not wait for more.
func isUnreachable(why error) bool {
	if errors.Is(why, flow.ErrTimedOut) {
		return true
	}
	var body *wire.ErrorBody
	return errors.As(why, &body) && (body.Code == "unreachable" || body.Code == "timed_out")
}
