package shim

import (
	"maps"
	"os"
	"slices"
	"sync"

	"agentkernel/guest/internal/wire"
)

const (
	// mostGateways is how many may be connected at once; all but the newest are on their way out.
	mostGateways = 8
	// mostOfFlow bounds what a sandbox says of one flow, in bytes.
	mostOfFlow = 4096
	// featureEgress is what both sides of the egress connection speak.
	featureEgress = "egress"
)

// gateways are those who decide what may leave the sandbox: the daemon has one, and the next daemon another. Each flow of the
// sandbox goes to the newest. While there is none, every flow is refused: the network is closed, not open.
type gateways struct {
	hello wire.Hello

	mu sync.Mutex
	// sandbox is the sandbox's side: that of its process 1, and one for each command that has a network of its own.
	sandbox map[*wire.Conn]struct{}
	clients map[*wire.Conn]struct{}
	current *wire.Conn
	closed  bool
}

func newGateways(version string) *gateways {
	hello := wire.Hello{Role: "shim", Version: version, Features: []string{featureEgress}}
	return &gateways{hello: hello, sandbox: map[*wire.Conn]struct{}{}, clients: map[*wire.Conn]struct{}{}}
}

// serve passes on what the sandbox opens, until the agent at the other end is gone or breaks a rule of the protocol. With a tag, all
// flows bear it: they come from the network of the command of that id.
func (g *gateways) serve(socket *os.File, tag string) {
	conn := wire.NewConn(socket, g.hello, func(stream *wire.Stream) { g.pass(stream, tag) })
	conn.AllowStreams(wire.MaxFlows)
	g.mu.Lock()
	g.sandbox[conn] = struct{}{}
	closed := g.closed
	g.mu.Unlock()
	if closed {
		conn.Close()
	}
	_ = conn.Run()
	g.mu.Lock()
	delete(g.sandbox, conn)
	g.mu.Unlock()
}

// pass hands one flow of the sandbox to the gateway.
func (g *gateways) pass(stream *wire.Stream, tag string) {
	if op := stream.Op(); op != "tcp" && op != "udp" {
		stream.Fail("unknown_op", "no such flow", 0)
		return
	}
	if len(stream.Payload()) > mostOfFlow {
		bad(stream, "too much is said of this flow")
		return
	}
	// Whose a flow is, is for us to say.
	payload, err := withTag(stream.Payload(), tag)
	if err != nil {
		bad(stream, err.Error())
		return
	}
	g.mu.Lock()
	to := g.current
	g.mu.Unlock()
	if to == nil {
		stream.Fail("refused", "nobody is there to let it through", 0)
		return
	}
	wire.RelayAs(stream, to, payload)
}

// greet begins with a connection that may be a gateway's.
func (g *gateways) greet(fd int) {
	socket := os.NewFile(uintptr(fd), "gateway")
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || len(g.clients) >= mostGateways {
		_ = socket.Close()
		return
	}
	conn := wire.NewConn(socket, g.hello, nil)
	conn.AllowStreams(wire.MaxFlows)
	g.clients[conn] = struct{}{}
	go g.follow(conn)
}

// follow uses a gateway until it leaves, or a newer one comes.
func (g *gateways) follow(conn *wire.Conn) {
	ended := make(chan struct{})
	go func() {
		_ = conn.Run()
		close(ended)
	}()
	peer := conn.Peer()
	if peer.Role == "gateway" && peer.Has(featureEgress) {
		g.mu.Lock()
		before := g.current
		g.current = conn
		g.mu.Unlock()
		if before != nil {
			before.Bye()
		}
	} else {
		conn.Close()
	}
	<-ended
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.clients, conn)
	if g.current == conn {
		g.current = nil
	}
}

// close ends every flow and says goodbye.
func (g *gateways) close() {
	g.mu.Lock()
	g.closed = true
	sandbox := slices.Collect(maps.Keys(g.sandbox))
	var conns []*wire.Conn
	for conn := range g.clients {
		conns = append(conns, conn)
	}
	g.mu.Unlock()
	for _, conn := range sandbox {
		conn.Close()
	}
	var parted sync.WaitGroup
	for _, conn := range conns {
		parted.Add(1)
		go func() {
			defer parted.Done()
			conn.Bye()
		}()
	}
	all := make(chan struct{})
	go func() {
		parted.Wait()
		close(all)
	}()
	within(parting, all)
}
