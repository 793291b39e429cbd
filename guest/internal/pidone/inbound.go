package pidone

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/ports"
	"agentkernel/guest/internal/wire"
)

const (
	// hostLimit is how long the host may take to greet: nobody needs it before the first connection to a port.
	hostLimit = 2 * time.Minute
	// inboundPause is how long between two looks at what servers said last.
	inboundPause = 500 * time.Microsecond
)

// inbound is the connection on which the host asks for servers in the sandbox, where it publishes their ports.
type inbound struct {
	conn    *wire.Conn
	talking ports.Talking
}

// openInbound takes the connection and keeps it from the command. It serves nothing before serve. Nil: no ports are published.
func openInbound(published bool) (*inbound, error) {
	if !published {
		return nil, nil
	}
	unix.CloseOnExec(plan.PortsFD)
	if err := unix.SetNonblock(plan.PortsFD, true); err != nil {
		return nil, os.NewSyscallError("published ports", err)
	}
	i := &inbound{}
	i.conn = wire.NewConn(os.NewFile(plan.PortsFD, "ports"), wire.Hello{Role: "agent", Features: []string{"connect"}}, i.answer)
	i.conn.AwaitHello(hostLimit)
	return i, nil
}

func (i *inbound) answer(stream *wire.Stream) {
	if stream.Op() != "connect" {
		stream.Fail("unsupported", "only connections are served here", 0)
		return
	}
	i.talking.Connect(stream)
}

// serve returns at once. When the connection ends, nothing gets in any more, and everything else goes on.
func (i *inbound) serve() { go func() { _ = i.conn.Run() }() }

// used tells whether anybody ever asked for a server.
func (i *inbound) used() bool { return i != nil && i.conn.Opened() }

// finish waits until what servers said before they ended is with the host, at most until the deadline. It belongs after their end.
func (i *inbound) finish(limit time.Duration) {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(inboundPause) {
		if i.talking.None() && !i.conn.Sending() {
			return
		}
	}
}
