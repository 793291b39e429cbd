// Package netstack is the network of a sandbox as its process 1 sees it: packets of the TUN device on one side, streams of the egress
// connection on the other. It decides nothing: each TCP connection and UDP flow becomes a stream, and the host allows or refuses it.
//
//	conn := wire.NewConn(socket, wire.Hello{Role: "agent", Version: v, Features: []string{"egress"}}, nil)
//	conn.AllowStreams(wire.MaxFlows)
//	conn.AwaitHello(2 * time.Minute)
//	go conn.Run()
//	err := netstack.Serve(fd, conn, netstack.Options{})
package netstack

import (
	"agentkernel/guest/internal/wire"
)

// Options of Serve. The zero value is what a sandbox uses.
type Options struct{}

// Serve reads packets from the TUN device and serves them until the device is gone or the descriptor fails; it owns the descriptor. Until the first packet that
// matters it costs a goroutine. When the connection ends, every flow is reset and new ones are refused: the network is closed.
func Serve(tunFD int, conn *wire.Conn, options Options) error {
	return nil
}
