package loopproxy

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"agentkernel/guest/internal/flow"
)

var errTarget = errors.New("that is no host and port")

// longestName is what DNS allows.
const longestName = 253

// target reads "host:port", where an IPv6 address stands in brackets. fallback is the port if there is none; 0: there must be one.
func target(text string, fallback uint16) (flow.Request, error) {
	host, port := text, ""
	if end := strings.LastIndexByte(text, ']'); end >= 0 {
		host, port = text[:end+1], text[end+1:]
	} else if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		host, port = text[:colon], text[colon:]
	}
	number := fallback
	if port != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(port, ":"), 10, 16)
		if err != nil || port[0] != ':' || len(port) > 6 {
			return flow.Request{}, errTarget
		}
		number = uint16(n)
	}
	if inside, ok := strings.CutPrefix(host, "["); ok {
		inside, closed := strings.CutSuffix(inside, "]")
		address, err := netip.ParseAddr(inside)
		if err != nil || !closed || !address.Is6() || address.Zone() != "" {
			return flow.Request{}, errTarget
		}
		host = address.String()
	} else if !isName(host) {
		return flow.Request{}, errTarget
	}
	if number == 0 {
		return flow.Request{}, errTarget
	}
	return to(host, number), nil
}

func to(host string, port uint16) flow.Request {
	return flow.Request{Op: "tcp", Dst: host, Port: port, Via: "proxy"}
}

// isName tells whether the host's side may see it: letters of names and of IPv4 addresses. What they mean is decided there.
func isName(name string) bool {
	if name == "" || len(name) > longestName {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
