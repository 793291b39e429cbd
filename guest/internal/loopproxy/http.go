package loopproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

// longestHead bounds a request's line and headers, in bytes.
const longestHead = 64 << 10

var errHeadTooLong = errors.New("the head of the request is too long")

// serveHTTP serves one request of a connection: CONNECT, or a plain one for http://. Then the connection ends, or is a tunnel.
func (p *proxy) serveHTTP(client *net.TCPConn) {
	head, rest, err := readHead(client)
	if err != nil {
		if errors.Is(err, errHeadTooLong) {
			reply(client, "431 Request Header Fields Too Large", err.Error())
		}
		return
	}
	request, err := parseRequest(head)
	if err != nil {
		reply(client, "400 Bad Request", err.Error())
		return
	}
	stream, err := flow.Connect(p.conn, request.target, p.options.Connect)
	if err != nil {
		reply(client, statusOf(err), reasonOf(err))
		return
	}
	_ = client.SetReadDeadline(time.Time{})
	if request.connect {
		if _, err := client.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
			stream.Drop()
			return
		}
		tunnel(client, stream, &plain{client: client, first: rest})
		return
	}
	if stream.Write(wire.In, request.head) != nil {
		stream.Drop()
		return
	}
	from := plain{client: client, first: rest}
	if request.upgrade {
		tunnel(client, stream, &from)
		return
	}
	tunnel(client, stream, &oneRequest{plain: from, body: request.body, stream: stream, patience: p.options.Ask})
}

// readHead reads up to the empty line, and returns what came behind it too.
func readHead(from io.Reader) (head, rest []byte, err error) {
	room := make([]byte, 0, 4<<10)
	for {
		if len(room) == cap(room) {
			room = append(room, 0)[:len(room)]
		}
		n, err := from.Read(room[len(room):min(cap(room), longestHead+1)])
		room = room[:len(room)+n]
		if end := bytes.Index(room, []byte("\r\n\r\n")); end >= 0 && end+4 <= longestHead {
			return room[:end+4], room[end+4:], nil
		}
		if len(room) > longestHead {
			return nil, nil, errHeadTooLong
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// reply answers in the host's place. The text may come from the host, which is trusted, but not to write headers.
func reply(client *net.TCPConn, status, text string) {
	text += "\n"
	_, _ = fmt.Fprintf(client, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, len(text), text)
	// A close with bytes unread is a reset, which may overtake the answer.
	_ = client.CloseWrite()
	_ = client.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, client, longestHead)
}

func statusOf(err error) string {
	switch codeOf(err) {
	case "denied":
		return "403 Forbidden"
	case "timed_out":
		return "504 Gateway Timeout"
	case "too_many_streams":
		return "503 Service Unavailable"
	}
	return "502 Bad Gateway"
}

func reasonOf(err error) string {
	var body *wire.ErrorBody
	if errors.As(err, &body) && body.Message != "" {
		return body.Message
	}
	return err.Error()
}

// errSecond means that a program goes on with a connection that serves one request.
var errSecond = errors.New("a second request on one connection")

// oneRequest is the body of one request and nothing behind it: a second request may be for somebody else. The other side was told to
// close after its answer; if it does not within the patience, we do, and the program asks again on a new connection.
type oneRequest struct {
	plain
	body     body
	stream   *wire.Stream
	patience time.Duration
	second   bool
}

func (o *oneRequest) next() (*wire.Buf, int, error) {
	for {
		if o.second {
			time.AfterFunc(o.patience, o.stream.Drop)
			return nil, 0, errSecond
		}
		buf, n, err := o.plain.next()
		if err != nil {
			return nil, 0, err
		}
		taken, err := o.body.take(buf.Bytes()[:n])
		// Old programs send an empty line behind a body.
		o.second = len(bytes.Trim(buf.Bytes()[taken:n], "\r\n")) > 0
		if err == nil && taken > 0 {
			return buf, taken, nil
		}
		buf.Free()
		if err != nil {
			return nil, 0, err
		}
	}
}
