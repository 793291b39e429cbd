package tun

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Configure gives the device its addresses and routes and starts it and the loopback device. After Open, in the same namespace.
// A kernel without IPv6 has none in the sandbox either.
func Configure() error {
	socket, err := dialNetlink()
	if err != nil {
		return err
	}
	defer socket.close()
	loopback, err := socket.index("lo")
	if err != nil {
		return err
	}
	index, err := socket.index(Name)
	if err != nil {
		return err
	}
	if err := socket.up(loopback); err != nil {
		return fmt.Errorf("start the loopback device: %w", err)
	}
	// Before it starts, or the kernel makes a link-local address and asks for routers. Fails where there is no IPv6.
	_ = socket.quiet(index)
	if err := socket.prepare(index); err != nil {
		return fmt.Errorf("set up %s: %w", Name, err)
	}
	if err := socket.address(index, unix.AF_INET, Sandbox4[:], prefix4); err != nil {
		return fmt.Errorf("give %s its address: %w", Name, err)
	}
	without6 := socket.address(index, unix.AF_INET6, Sandbox6[:], prefix6)
	if without6 != nil && !lacksIPv6(without6) {
		return fmt.Errorf("give %s its IPv6 address: %w", Name, without6)
	}
	if err := socket.up(index); err != nil {
		return fmt.Errorf("start %s: %w", Name, err)
	}
	if err := socket.defaultRoute(index, unix.AF_INET); err != nil {
		return fmt.Errorf("route to %s: %w", Name, err)
	}
	if without6 != nil {
		return nil
	}
	if err := socket.defaultRoute(index, unix.AF_INET6); err != nil {
		return fmt.Errorf("route IPv6 to %s: %w", Name, err)
	}
	return nil
}

// genModeNone is IN6_ADDR_GEN_MODE_NONE.
const genModeNone = 1

func lacksIPv6(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EACCES)
}

func (s netlink) up(index uint32) error {
	body := linkMessage(index, unix.IFF_UP)
	return s.do(unix.RTM_NEWLINK, 0, body)
}

// prepare sets what is best set before the device starts.
func (s netlink) prepare(index uint32) error {
	body := linkMessage(index, 0)
	body = attributeNumber(body, unix.IFLA_MTU, MTU)
	body = attributeNumber(body, unix.IFLA_TXQLEN, queueLength)
	return s.do(unix.RTM_NEWLINK, 0, body)
}

// quiet forbids addresses that the kernel makes up by itself.
func (s netlink) quiet(index uint32) error {
	mode := attribute(nil, unix.IFLA_INET6_ADDR_GEN_MODE, []byte{genModeNone})
	body := attribute(linkMessage(index, 0), unix.IFLA_AF_SPEC, attribute(nil, unix.AF_INET6, mode))
	return s.do(unix.RTM_NEWLINK, 0, body)
}

func (s netlink) address(index uint32, family byte, address []byte, prefix byte) error {
	// No duplicate address detection: an address that is tentative for a second cannot be used.
	body := []byte{family, prefix, unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}
	body = number(body, index)
	body = attribute(body, unix.IFA_LOCAL, address)
	body = attribute(body, unix.IFA_ADDRESS, address)
	return s.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
}

func (s netlink) defaultRoute(index uint32, family byte) error {
	scope := byte(unix.RT_SCOPE_LINK)
	if family == unix.AF_INET6 {
		scope = unix.RT_SCOPE_UNIVERSE
	}
	body := []byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, scope, unix.RTN_UNICAST, 0, 0, 0, 0}
	body = attributeNumber(body, unix.RTA_OIF, index)
	return s.do(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
}
