// Package egress is process 1's side of a sandbox's network: the connection to the gateway, and what programs reach it by. That is
// the TUN device, where the machine gave one, and a proxy on the loopback otherwise. It decides nothing; the gateway does.
package egress

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/loopproxy"
	"agentkernel/guest/internal/netstack"
	"agentkernel/guest/internal/wire"
)

// gatewayLimit is how long the gateway may take to greet: it may be started after us.
const gatewayLimit = 2 * time.Minute

// Wires are the descriptors that the launch helper passes down.
type Wires struct {
	Egress int
	// TUN is negative where there is no device.
	TUN int
}

// ReadWires takes them from the last two arguments of process 1, and keeps them from everything that it starts. Nil: there are none.
func ReadWires(arguments []string) (*Wires, error) {
	if len(arguments) == 0 {
		return nil, nil
	}
	if len(arguments) != 2 {
		return nil, syscall.EINVAL
	}
	var w Wires
	var err error
	if w.Egress, err = strconv.Atoi(arguments[0]); err != nil {
		return nil, err
	}
	if w.TUN, err = strconv.Atoi(arguments[1]); err != nil {
		return nil, err
	}
	unix.CloseOnExec(w.Egress)
	if w.TUN >= 0 {
		unix.CloseOnExec(w.TUN)
	}
	return &w, nil
}

// Network is the network of the sandbox.
type Network struct {
	wires *Wires
	conn  *wire.Conn
	// variables are what commands need to find the proxy.
	variables []string
}

// Open makes ready what commands need before they start. Nothing is served before Serve. w may be nil; so is then what it returns.
func Open(w *Wires, version string) (*Network, error) {
	if w == nil {
		return nil, nil
	}
	if err := unix.SetNonblock(w.Egress, true); err != nil {
		return nil, os.NewSyscallError("egress connection", err)
	}
	conn := wire.NewConn(os.NewFile(uintptr(w.Egress), "egress"), wire.Hello{Role: "agent", Version: version, Features: []string{"egress"}}, nil)
	conn.AllowStreams(wire.MaxFlows)
	conn.AwaitHello(gatewayLimit)
	n := &Network{wires: w, conn: conn}
	if w.TUN >= 0 {
		return n, nil
	}
	httpPort, socksPort, err := loopproxy.Listen(conn, loopproxy.Options{})
	if err != nil {
		return nil, err
	}
	n.variables = proxyVariables(httpPort, socksPort)
	return n, nil
}

// Serve begins to serve. When the connection ends, so does the network, and everything else goes on. It may be called on nil.
func (n *Network) Serve() {
	if n == nil {
		return
	}
	go func() { _ = n.conn.Run() }()
	if n.wires.TUN >= 0 {
		go func() { _ = netstack.Serve(n.wires.TUN, n.conn, netstack.Options{}) }()
	}
}

// Environment is a command's environment with the variables that it needs to find the network. Ours win: a proxy of the host
// cannot be reached from inside. It may be called on nil.
func (n *Network) Environment(env []string) []string {
	if n == nil || len(n.variables) == 0 {
		return env
	}
	kept := slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.ContainsFunc(n.variables, func(ours string) bool { return strings.HasPrefix(ours, name+"=") })
	})
	return append(kept, n.variables...)
}

// proxyVariables are those that programs look at, in both spellings. Names are looked up at the other end (socks5h).
func proxyVariables(httpPort, socksPort int) []string {
	http := "http://127.0.0.1:" + strconv.Itoa(httpPort)
	socks := "socks5h://127.0.0.1:" + strconv.Itoa(socksPort)
	var variables []string
	for _, variable := range [][2]string{
		{"HTTP_PROXY", http}, {"HTTPS_PROXY", http}, {"ALL_PROXY", socks}, {"NO_PROXY", "localhost,127.0.0.1"},
	} {
		variables = append(variables, variable[0]+"="+variable[1], strings.ToLower(variable[0])+"="+variable[1])
	}
	return variables
}
