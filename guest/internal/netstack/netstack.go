// Package netstack is the network of a sandbox as its process 1 sees it: packets of the TUN device on one side, streams of the
// egress connection (docs/guest-protocol.md) on the other. It decides nothing: each TCP connection and each UDP flow becomes a
// stream, and the host allows or refuses it. Whatever is neither TCP nor UDP goes nowhere.
//
//	conn := wire.NewConn(socket, wire.Hello{Role: "agent", Version: v, Features: []string{"egress"}}, nil)
//	conn.AllowStreams(4096)
//	conn.AwaitHello(2 * time.Minute)
//	go conn.Run()
//	err := netstack.Serve(fd, conn, netstack.Options{})
package netstack

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"agentkernel/guest/internal/wire"
)

// Options of Serve. What is zero has the value that a sandbox uses.
type Options struct {
	// SYNs is how many TCP connections may be on their way at once; further ones are dropped. 1,024.
	SYNs int
	// UDPFlows may be open at once, and as many again to port 53 of the gateway; beyond that a port is unreachable. 1,024.
	UDPFlows int
	// UDPIdle ends a flow without datagrams: 60 s. DNSIdle ends one after an answer from port 53: 5 s.
	UDPIdle, DNSIdle time.Duration
	// Connect is how long the host may take to reach the other end of a TCP connection. 130 s: then the kernel has given up too.
	Connect time.Duration
}

func (o Options) withDefaults() Options {
	orNumber := func(value *int, other int) {
		if *value == 0 {
			*value = other
		}
	}
	orTime := func(value *time.Duration, other time.Duration) {
		if *value == 0 {
			*value = other
		}
	}
	orNumber(&o.SYNs, 1024)
	orNumber(&o.UDPFlows, 1024)
	orTime(&o.UDPIdle, 60*time.Second)
	orTime(&o.DNSIdle, 5*time.Second)
	orTime(&o.Connect, 130*time.Second)
	return o
}

// Serve reads packets from the descriptor of the TUN device (package tun), which it owns, and serves them until the device is gone.
// Until the first packet that matters it costs one goroutine. When the connection ends, every flow is reset and new ones are refused:
// the network is closed, not open.
func Serve(tunFD int, conn *wire.Conn, options Options) error {
	device, err := openLink(tunFD)
	if err != nil {
		return err
	}
	return serveLink(device, conn, options)
}

func serveLink(device *link, conn *wire.Conn, options Options) error {
	n := &network{link: device, conn: conn, options: options.withDefaults(), syns: make(map[stack.TransportEndpointID]uint32), tidy: newTidy()}
	defer n.close()
	return device.read(n.receive)
}

// network is what Serve keeps.
type network struct {
	link    *link
	conn    *wire.Conn
	options Options
	// stack is made for the first packet that matters, by the goroutine that reads.
	stack *stack.Stack

	// connections is how many TCP connections are open.
	connections atomic.Int64
	tidy        *time.Timer
	// datagrams and lookups are how many UDP flows are open: lookups those to port 53 of the gateway.
	datagrams, lookups atomic.Int64

	mu sync.Mutex
	// syns are the sequence numbers of the connections that are on their way: an ICMP answer must quote them.
	syns map[stack.TransportEndpointID]uint32
}

// receive takes one packet, on the reading goroutine. The bytes are valid until it returns; take gives them a place of their own.
func (n *network) receive(packet []byte, take func() *stack.PacketBuffer) {
	switch p := parse(packet); p.verdict {
	case drop:
	case prohibit:
		n.link.send(unreachable(p.from, gatewayOf(p.from), prohibited, packet[:min(len(packet), quotedBytes)]))
	case accept:
		if n.stack == nil {
			made, err := n.newStack()
			if err != nil {
				return
			}
			n.stack = made
		}
		buffer := take()
		n.link.deliver(p.protocol, buffer)
		buffer.DecRef()
	}
}

func (n *network) close() {
	n.tidy.Stop()
	n.link.close()
	if n.stack != nil {
		n.stack.Close()
	}
}
