// Package flow opens the streams of the egress connection (docs/guest-protocol.md): one for each TCP connection and each UDP flow of the
// sandbox.
package flow

import (
	"errors"
	"time"

	"agentkernel/guest/internal/wire"
)

// ErrTimedOut means that the host took longer than it may.
var ErrTimedOut = errors.New("the host did not answer in time")

// errNotConnected means that the host answered with something else than an answer.
var errNotConnected = errors.New("the stream ended before it was connected")

// Request says where a flow goes.
type Request struct {
	// Op is "tcp" or "udp".
	Op string `json:"op"`
	// Dst is a literal address; from a proxy it may be a name.
	Dst  string `json:"dst"`
	Port uint16 `json:"port"`
	// Via is "tun" or "proxy".
	Via string `json:"via"`
}

// Open begins a stream and does not wait for the host's answer.
func Open(conn *wire.Conn, request Request) (*wire.Stream, error) { return conn.Open(request) }

// Connect begins a stream and waits until the host has connected it, at most for the limit. Errors: *wire.ErrorBody is the host's answer;
// ErrTimedOut; wire.ErrClosed.
func Connect(conn *wire.Conn, request Request, limit time.Duration) (*wire.Stream, error) {
	stream, err := Open(conn, request)
	if err != nil {
		return nil, err
	}
	timer := time.AfterFunc(limit, stream.Drop)
	err = awaitConnected(stream)
	timer.Stop()
	if err != nil {
		stream.Drop()
		return nil, err
	}
	return stream, nil
}

func awaitConnected(stream *wire.Stream) error {
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, wire.ErrEnded):
			return ErrTimedOut
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
