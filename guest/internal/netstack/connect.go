package netstack

import (
	"errors"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

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
	stream, err := n.reach(flowOf(id))
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
	defer n.connections.Add(-1)
	n.tune(endpoint)
	(&connection{endpoint: endpoint, queue: queue, stream: stream}).run()
}

// reach opens a stream and waits until the host has connected it.
func (n *network) reach(flow flowID) (*wire.Stream, error) {
	stream, err := n.open("tcp", flow)
	if err != nil {
		return nil, err
	}
	limit := time.AfterFunc(n.options.Connect, stream.Drop)
	defer limit.Stop()
	if err := awaitConnected(stream); err != nil {
		stream.Drop()
		return nil, err
	}
	return stream, nil
}

// errNotConnected means that the host answered with something else than an answer.
var errNotConnected = errors.New("the stream ended before it was connected")

func awaitConnected(stream *wire.Stream) error {
	for {
		message, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case message.Kind != wire.EventType:
			return errNotConnected
		}
		var event struct {
			Event string `json:"event"`
		}
		if message.Decode(&event) == nil && event.Event == "connected" {
			return nil
		}
	}
}

// refuse tells the program why: a reset, or that nothing is there.
func (n *network) refuse(request *tcp.ForwarderRequest, why error) {
	id := request.ID()
	sequence, known := n.takeSYN(id)
	if !known || !isUnreachable(why) {
		request.Complete(true)
		return
	}
	flow := flowOf(id)
	n.link.send(unreachable(flow.src, gatewayOf(flow.src), hostUnreachable, quoted(flow, header.TCPProtocolNumber, sequence)))
	request.Complete(false)
}

// isUnreachable tells whether nothing answered over there. That took its time already: a program need not wait for more.
func isUnreachable(why error) bool {
	if errors.Is(why, wire.ErrEnded) {
		// Our own time limit.
		return true
	}
	var body *wire.ErrorBody
	return errors.As(why, &body) && (body.Code == "unreachable" || body.Code == "timed_out")
}
