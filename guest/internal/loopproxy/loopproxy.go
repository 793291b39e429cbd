// Package loopproxy is the way out for a sandbox whose machine gives it no TUN device: an HTTP and a SOCKS5 proxy on its loopback.
// Nothing else leads out of the namespace. Like the network stack it decides nothing: each connection becomes a stream of the egress
// connection (docs/guest-protocol.md) with the name or address that the program asked for, and the host allows or refuses it.
package loopproxy

import (
	"net"
	"strconv"
	"time"

	"agentkernel/guest/internal/wire"
)

// Options of Listen. What is zero has the value that a sandbox uses.
type Options struct {
	// HTTPPort and SOCKSPort on 127.0.0.1; 0 = chosen by the kernel.
	HTTPPort, SOCKSPort int
	// Connections may be open at once, of both proxies together; further ones wait in the kernel's queue. 2,048.
	Connections int
	// Ask is how long a program may take to say where it wants to go: 30 s.
	Ask time.Duration
	// Connect is how long the host may take to reach it: 130 s.
	Connect time.Duration
}

func (o Options) withDefaults() Options {
	if o.Connections == 0 {
		o.Connections = 2048
	}
	if o.Ask == 0 {
		o.Ask = 30 * time.Second
	}
	if o.Connect == 0 {
		o.Connect = 130 * time.Second
	}
	return o
}

// proxy is what both listeners share.
type proxy struct {
	conn    *wire.Conn
	options Options
	// places has room for as many as may be open.
	places chan struct{}
}

// Listen starts both proxies on 127.0.0.1 and returns their ports at once. They are served until the connection ends.
func Listen(conn *wire.Conn, options Options) (httpPort, socksPort int, err error) {
	options = options.withDefaults()
	p := &proxy{conn: conn, options: options, places: make(chan struct{}, options.Connections)}
	forHTTP, err := listen(options.HTTPPort)
	if err != nil {
		return 0, 0, err
	}
	forSOCKS, err := listen(options.SOCKSPort)
	if err != nil {
		_ = forHTTP.Close()
		return 0, 0, err
	}
	go func() {
		<-conn.Done()
		_ = forHTTP.Close()
		_ = forSOCKS.Close()
	}()
	go p.accept(forHTTP, p.serveHTTP)
	go p.accept(forSOCKS, p.serveSOCKS)
	return portOf(forHTTP), portOf(forSOCKS), nil
}

func listen(port int) (*net.TCPListener, error) {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

func portOf(listener *net.TCPListener) int { return listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) accept(listener *net.TCPListener, serve func(*net.TCPConn)) {
	for {
		p.places <- struct{}{}
		client, err := listener.AcceptTCP()
		if err != nil {
			<-p.places
			select {
			case <-p.conn.Done():
				return
			case <-time.After(50 * time.Millisecond):
				// Too many descriptors, most likely.
			}
			continue
		}
		go func() {
			defer func() { <-p.places }()
			defer func() { _ = client.Close() }()
			_ = client.SetReadDeadline(time.Now().Add(p.options.Ask))
			serve(client)
		}()
	}
}
