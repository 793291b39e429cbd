package netstack

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"agentkernel/guest/internal/tun"
)

var (
	sandbox4 = tcpip.AddrFrom4(tun.Sandbox4)
	sandbox6 = tcpip.AddrFrom16(tun.Sandbox6)
	gateway4 = tcpip.AddrFrom4(tun.Gateway4)
	gateway6 = tcpip.AddrFrom16(tun.Gateway6)
)

func gatewayOf(from tcpip.Address) tcpip.Address {
	if from == sandbox4 {
		return gateway4
	}
	return gateway6
}

// verdict says what becomes of a packet before the stack sees it.
type verdict byte

const (
	// drop: nobody hears of it.
	drop verdict = iota
	// accept: for the stack.
	accept
	// prohibit: its sender is told that such packets go nowhere.
	prohibit
)

// parsed is what the first look at a packet tells.
type parsed struct {
	verdict  verdict
	protocol tcpip.NetworkProtocolNumber
	from     tcpip.Address
}

// parse looks at a packet from the sandbox. Only TCP, UDP, ping to the gateway and "port unreachable" come through, and only from the
// sandbox's own addresses to one single other: what a raw socket may invent beyond that ends here.
func parse(packet []byte) parsed {
	if len(packet) == 0 {
		return parsed{}
	}
	switch packet[0] >> 4 {
	case 4:
		return parse4(packet)
	case 6:
		return parse6(packet)
	}
	return parsed{}
}

func parse4(packet []byte) parsed {
	ip := header.IPv4(packet)
	if !ip.IsValid(len(packet)) || ip.SourceAddress() != sandbox4 {
		return parsed{}
	}
	to := ip.DestinationAddress()
	if first := to.As4()[0]; first >= 224 || first == 127 || first == 0 || to == sandbox4 {
		return parsed{}
	}
	known := parsed{accept, header.IPv4ProtocolNumber, sandbox4}
	switch ip.TransportProtocol() {
	case header.TCPProtocolNumber, header.UDPProtocolNumber:
		return known
	case header.ICMPv4ProtocolNumber:
		known.verdict = icmp4(packet[ip.HeaderLength():], to, ip.FragmentOffset() != 0 || ip.More())
		return known
	}
	return parsed{}
}

func icmp4(message []byte, to tcpip.Address, fragment bool) verdict {
	if len(message) < header.ICMPv4MinimumSize || fragment {
		return drop
	}
	switch icmp := header.ICMPv4(message); {
	case icmp.Type() == header.ICMPv4Echo && to == gateway4:
		return accept
	case icmp.Type() == header.ICMPv4Echo:
		return prohibit
	case icmp.Type() == header.ICMPv4DstUnreachable && icmp.Code() == header.ICMPv4PortUnreachable:
		return accept
	}
	return drop
}

func parse6(packet []byte) parsed {
	ip := header.IPv6(packet)
	if !ip.IsValid(len(packet)) || ip.SourceAddress() != sandbox6 {
		return parsed{}
	}
	to := ip.DestinationAddress()
	first := to.As16()
	loopback := first == [16]byte{15: 1} || first == [16]byte{}
	if first[0] == 0xff || loopback || to == sandbox6 {
		return parsed{}
	}
	known := parsed{accept, header.IPv6ProtocolNumber, sandbox6}
	switch tcpip.TransportProtocolNumber(ip.NextHeader()) {
	case header.TCPProtocolNumber, header.UDPProtocolNumber:
		return known
	case header.ICMPv6ProtocolNumber:
		known.verdict = icmp6(packet[header.IPv6MinimumSize:], to)
		return known
	case tcpip.TransportProtocolNumber(header.IPv6FragmentHeader):
		// The kernel cuts what is longer than the MTU: a datagram of nearly 64 KiB.
		rest := packet[header.IPv6MinimumSize:]
		if len(rest) >= header.IPv6FragmentHeaderSize && rest[0] == byte(header.UDPProtocolNumber) {
			return known
		}
	}
	return parsed{}
}

func icmp6(message []byte, to tcpip.Address) verdict {
	if len(message) < header.ICMPv6MinimumSize {
		return drop
	}
	switch icmp := header.ICMPv6(message); {
	case icmp.Type() == header.ICMPv6EchoRequest && to == gateway6:
		return accept
	case icmp.Type() == header.ICMPv6EchoRequest:
		return prohibit
	case icmp.Type() == header.ICMPv6DstUnreachable && icmp.Code() == header.ICMPv6PortUnreachable:
		return accept
	}
	return drop
}

// reason is the code of an "unreachable" message, in both versions.
type reason struct {
	code4 header.ICMPv4Code
	code6 header.ICMPv6Code
}

var (
	portUnreachable = reason{header.ICMPv4PortUnreachable, header.ICMPv6PortUnreachable}
	hostUnreachable = reason{header.ICMPv4HostUnreachable, header.ICMPv6AddressUnreachable}
	prohibited      = reason{header.ICMPv4AdminProhibited, header.ICMPv6Prohibited}
)

// quotedBytes is how much of a packet comes back to its sender at most.
const quotedBytes = 128

// unreachable makes the ICMP message that tells the sandbox why a packet went nowhere. quote is how that packet began.
func unreachable(to, from tcpip.Address, why reason, quote []byte) []byte {
	if to == sandbox4 {
		icmp := make(header.ICMPv4, header.ICMPv4MinimumSize+len(quote))
		icmp.SetType(header.ICMPv4DstUnreachable)
		icmp.SetCode(why.code4)
		copy(icmp.Payload(), quote)
		icmp.SetChecksum(header.ICMPv4Checksum(icmp, 0))
		return append(head(to, from, header.ICMPv4ProtocolNumber, len(icmp)), icmp...)
	}
	icmp := make(header.ICMPv6, header.ICMPv6DstUnreachableMinimumSize+len(quote))
	icmp.SetType(header.ICMPv6DstUnreachable)
	icmp.SetCode(why.code6)
	copy(icmp[header.ICMPv6DstUnreachableMinimumSize:], quote)
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: from, Dst: to}))
	return append(head(to, from, header.ICMPv6ProtocolNumber, len(icmp)), icmp...)
}

// head is an IP header.
func head(to, from tcpip.Address, protocol tcpip.TransportProtocolNumber, payload int) []byte {
	const hops = 64
	if to.Len() == header.IPv4AddressSize {
		ip := make(header.IPv4, header.IPv4MinimumSize)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(ip) + payload), TTL: hops, Protocol: uint8(protocol), SrcAddr: from, DstAddr: to,
		})
		ip.SetChecksum(^ip.CalculateChecksum())
		return ip
	}
	ip := make(header.IPv6, header.IPv6MinimumSize)
	ip.Encode(&header.IPv6Fields{
		PayloadLength: uint16(payload), TransportProtocol: protocol, HopLimit: hops, SrcAddr: from, DstAddr: to,
	})
	return ip
}

// quoted is how a packet of the sandbox began, made again from what is known of it: ports, and for TCP the sequence number, by which
// the kernel finds whom it concerns.
func quoted(ends flowID, protocol tcpip.TransportProtocolNumber, sequence uint32) []byte {
	const size = header.TCPMinimumSize
	text := head(ends.dst, ends.src, protocol, size)
	text = binary.BigEndian.AppendUint16(text, ends.srcPort)
	text = binary.BigEndian.AppendUint16(text, ends.dstPort)
	if protocol == header.UDPProtocolNumber {
		return append(text, 0, header.UDPMinimumSize, 0, 0)
	}
	text = binary.BigEndian.AppendUint32(text, sequence)
	return append(text, make([]byte, size-8)...)
}
