package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"agentkernel/guest/internal/tun"
)

// What stack.LinkEndpoint asks for besides reading and writing.

// MTU is that of the device.
func (*link) MTU() uint32 { return tun.MTU }

// SetMTU does nothing: it is fixed.
func (*link) SetMTU(uint32) {}

// MaxHeaderLength is none: packets begin with IP.
func (*link) MaxHeaderLength() uint16 { return 0 }

// LinkAddress is none.
func (*link) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress does nothing.
func (*link) SetLinkAddress(tcpip.LinkAddress) {}

// Capabilities says that nobody computes checksums here.
func (*link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload | stack.CapabilityTXChecksumOffload
}

// Attach is called before the first packet is delivered, by the goroutine that delivers it.
func (l *link) Attach(dispatcher stack.NetworkDispatcher) { l.dispatcher = dispatcher }

// IsAttached tells whether packets can be delivered.
func (l *link) IsAttached() bool { return l.dispatcher != nil }

// Wait does nothing: the stack starts no goroutine here.
func (*link) Wait() {}

// ARPHardwareType is none.
func (*link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader does nothing.
func (*link) AddHeader(*stack.PacketBuffer) {}

// ParseHeader finds nothing to parse.
func (*link) ParseHeader(*stack.PacketBuffer) bool { return true }

// Close does nothing: Serve closes the descriptor.
func (*link) Close() {}

// SetOnCloseAction does nothing.
func (*link) SetOnCloseAction(func()) {}
