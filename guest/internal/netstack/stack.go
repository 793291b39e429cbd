package netstack

import (
	"errors"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"agentkernel/guest/internal/flow"
)

const (
	nic = 1
	// timeWait is short: on this link no segment comes late.
	timeWait = time.Second
	// leastBuffer, usualBuffer and mostBuffer bound what waits in one direction of a TCP connection, in bytes.
	leastBuffer = 4 << 10
	usualBuffer = 512 << 10
	mostBuffer  = 1 << 20
)

// newStack makes a stack that takes connections to every address.
func (n *network) newStack() (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			// Without duplicate address detection and router solicitation: nobody else is on this link.
			ipv6.NewProtocolWithOptions(ipv6.Options{}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := n.configure(s); err != nil {
		s.Close()
		return nil, errors.New("network stack: " + err.String())
	}
	connections := tcp.NewForwarder(s, usualBuffer, n.options.SYNs, n.connect)
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, func(id stack.TransportEndpointID, packet *stack.PacketBuffer) bool {
		n.noteSYN(id, packet)
		return connections.HandlePacket(id, packet)
	})
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, n.datagram).HandlePacket)
	return s, nil
}

func (n *network) configure(s *stack.Stack) tcpip.Error {
	sack, moderate, wait := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true), tcpip.TCPTimeWaitTimeoutOption(timeWait)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: leastBuffer, Default: usualBuffer, Max: mostBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: leastBuffer, Default: usualBuffer, Max: mostBuffer}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &wait, &receive, &send} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return err
		}
	}
	if err := s.CreateNIC(nic, n.link); err != nil {
		return err
	}
	// To take packets for every address, and to answer from it.
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return err
	}
	if err := s.SetSpoofing(nic, true); err != nil {
		return err
	}
	for _, own := range []tcpip.ProtocolAddress{
		{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: gateway4.WithPrefix()},
		{Protocol: ipv6.ProtocolNumber, AddressWithPrefix: gateway6.WithPrefix()},
	} {
		if err := s.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
			return err
		}
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	return nil
}

// flowID names the two ends of a flow: src is in the sandbox.
type flowID struct {
	src, dst         tcpip.Address
	srcPort, dstPort uint16
}

func flowOf(id stack.TransportEndpointID) flowID {
	return flowID{id.RemoteAddress, id.LocalAddress, id.RemotePort, id.LocalPort}
}

func (f flowID) request(op string) flow.Request {
	return flow.Request{Op: op, Dst: f.dst.String(), Port: f.dstPort, Via: "tun"}
}
