package loopproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

// SOCKS5 (RFC 1928), CONNECT without authentication:
//
//	5 n methods…                   →  5 0            (0: none needed; 0xff: we know none of these)
//	5 1 0 kind address port        →  5 answer 0 1 0.0.0.0:0
const (
	socksVersion = 5
	noMethod     = 0xff
	connectOrder = 1

	kindIPv4, kindName, kindIPv6 = 1, 3, 4

	answerGranted     = 0
	answerFailed      = 1
	answerDenied      = 2
	answerUnreachable = 4
	answerRefused     = 5
	answerExpired     = 6
	answerNoOrder     = 7
	answerNoKind      = 8
)

// socksError is why a request cannot be served, as the protocol says it.
type socksError byte

func (socksError) Error() string { return "not a request that this proxy serves" }

func (p *proxy) serveSOCKS(client *net.TCPConn) {
	// Exactly what is asked for is read: the rest belongs to the tunnel.
	if err := greet(client, client); err != nil {
		return
	}
	request, err := readOrder(client)
	var why socksError
	if errors.As(err, &why) {
		answer(client, byte(why))
		return
	}
	if err != nil {
		return
	}
	stream, err := flow.Connect(p.conn, request, p.options.Connect)
	if err != nil {
		answer(client, answerOf(err))
		return
	}
	answer(client, answerGranted)
	_ = client.SetReadDeadline(time.Time{})
	tunnel(client, stream, &plain{client: client})
}

// greet agrees on a method.
func greet(from io.Reader, to io.Writer) error {
	var head [2]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return err
	}
	if head[0] != socksVersion {
		return socksError(answerFailed)
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(from, methods); err != nil {
		return err
	}
	for _, method := range methods {
		if method == 0 {
			_, err := to.Write([]byte{socksVersion, 0})
			return err
		}
	}
	_, _ = to.Write([]byte{socksVersion, noMethod})
	return socksError(answerFailed)
}

// readOrder reads where the program wants to go. A socksError is to be answered.
func readOrder(from io.Reader) (flow.Request, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return flow.Request{}, err
	}
	if head[0] != socksVersion || head[2] != 0 {
		return flow.Request{}, socksError(answerFailed)
	}
	size := 0
	switch head[3] {
	case kindIPv4:
		size = 4
	case kindIPv6:
		size = 16
	case kindName:
		var length [1]byte
		if _, err := io.ReadFull(from, length[:]); err != nil {
			return flow.Request{}, err
		}
		size = int(length[0])
	default:
		return flow.Request{}, socksError(answerNoKind)
	}
	rest := make([]byte, size+2)
	if _, err := io.ReadFull(from, rest); err != nil {
		return flow.Request{}, err
	}
	if head[1] != connectOrder {
		return flow.Request{}, socksError(answerNoOrder)
	}
	return socksTarget(head[3], rest[:size], binary.BigEndian.Uint16(rest[size:]))
}

func socksTarget(kind byte, address []byte, port uint16) (flow.Request, error) {
	host := string(address)
	if kind != kindName {
		literal, _ := netip.AddrFromSlice(address)
		host = literal.String()
	} else if !isName(host) {
		// Some clients send an IPv6 address as a name.
		literal, err := netip.ParseAddr(host)
		if err != nil || literal.Zone() != "" {
			return flow.Request{}, socksError(answerFailed)
		}
		host = literal.String()
	}
	if port == 0 {
		return flow.Request{}, socksError(answerFailed)
	}
	return to(host, port), nil
}

func answer(client io.Writer, code byte) {
	_, _ = client.Write([]byte{socksVersion, code, 0, kindIPv4, 0, 0, 0, 0, 0, 0})
}

// answerOf is why the host did not connect.
func answerOf(err error) byte {
	switch codeOf(err) {
	case "denied":
		return answerDenied
	case "refused":
		return answerRefused
	case "unreachable":
		return answerUnreachable
	case "timed_out":
		return answerExpired
	}
	return answerFailed
}

// codeOf is the host's code, or the one that says the same.
func codeOf(err error) string {
	var body *wire.ErrorBody
	switch {
	case errors.As(err, &body):
		return body.Code
	case errors.Is(err, flow.ErrTimedOut):
		return "timed_out"
	}
	return "refused"
}
