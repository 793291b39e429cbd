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
	"agentkernel/guest/internal/uplink"
	"agentkernel/guest/internal/wire"
)

// gatewayLimit is how long the gateway may take to greet: it may be started after us.
const gatewayLimit = 2 * time.Minute

// wires are the descriptors that the launch helper passes down.
type wires struct {
	egress int
	// tun is negative where there is no device.
	tun int
}

// readWires takes them from the last two arguments of process 1, and keeps them from everything that it starts. Nil: there are none.
func readWires(arguments []string) (*wires, error) {
	if len(arguments) == 0 {
		return nil, nil
	}
	if len(arguments) != 2 {
		return nil, syscall.EINVAL
	}
	var w wires
	var err error
	if w.egress, err = strconv.Atoi(arguments[0]); err != nil {
		return nil, err
	}
	if w.tun, err = strconv.Atoi(arguments[1]); err != nil {
		return nil, err
	}
	unix.CloseOnExec(w.egress)
	if w.tun >= 0 {
		unix.CloseOnExec(w.tun)
	}
	return &w, nil
}

// network is the network of the sandbox, an uplink.Network.
type network struct {
	wires *wires
	conn  *wire.Conn
	// variables are what commands need to find the proxy.
	variables []string
}

// Open is an uplink.Open. The arguments are the descriptor of the egress connection and that of the TUN device, or -1.
func Open(arguments []string, version string) (uplink.Network, error) {
	w, err := readWires(arguments)
	if w == nil || err != nil {
		return nil, err
	}
	return open(w, version)
}

func open(w *wires, version string) (*network, error) {
	if err := unix.SetNonblock(w.egress, true); err != nil {
		return nil, os.NewSyscallError("egress connection", err)
	}
	conn := wire.NewConn(os.NewFile(uintptr(w.egress), "egress"), wire.Hello{Role: "agent", Version: version, Features: []string{"egress"}}, nil)
	conn.AllowStreams(wire.MaxFlows)
	conn.AwaitHello(gatewayLimit)
	n := &network{wires: w, conn: conn}
	if w.tun >= 0 {
		return n, nil
	}
	httpPort, socksPort, err := loopproxy.Listen(conn, loopproxy.Options{})
	if err != nil {
		return nil, err
	}
	n.variables = proxyVariables(httpPort, socksPort)
	return n, nil
}

// Serve implements uplink.Network.
func (n *network) Serve() {
	go func() { _ = n.conn.Run() }()
	if n.wires.tun >= 0 {
		go func() { _ = netstack.Serve(n.wires.tun, n.conn, netstack.Options{}) }()
	}
}

// Environment implements uplink.Network. Our variables win: a proxy of the host cannot be reached from inside.
func (n *network) Environment(env []string) []string {
	if len(n.variables) == 0 {
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
