package shim

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentkernel/guest/internal/wire"
)

// gateway is one that serves every flow alike.
type gateway struct {
	*wire.Conn
	ended chan error
}

// gatewayOf connects a gateway, which the shim knows when this returns.
func (s *shim) gatewayOf(role string, serve func(*wire.Stream)) *gateway {
	s.t.Helper()
	g := &gateway{wire.NewConn(s.dialTo(egressName), wire.Hello{Role: role, Features: []string{featureEgress}}, serve), make(chan error, 1)}
	g.AllowStreams(wire.MaxFlows)
	go func() { g.ended <- g.Run() }()
	s.t.Cleanup(g.Close)
	if peer := g.Peer(); role == "gateway" && (peer.Role != "shim" || !peer.Has(featureEgress)) {
		s.t.Errorf("greeted by %+v", peer)
	}
	_, _ = g.Ping(tooLong)
	return g
}

// answers accepts a flow, says who serves it and how it was asked for, and sends back what comes.
func answers(name string) func(*wire.Stream) {
	return func(s *wire.Stream) {
		_ = s.Event(map[string]any{"event": "connected"})
		_ = s.Write(wire.Out, []byte(name+" "+string(s.Payload())+" "))
		for {
			m, err := s.Recv()
			if err != nil {
				return
			}
			if m.Kind == wire.EOFType {
				break
			}
			_ = s.Write(wire.Out, m.Data)
		}
		s.End(struct{}{})
	}
}

const someFlow = `{"op":"tcp","dst":"203.0.113.7","port":443,"via":"tun"}`

func askFlow(t *testing.T, s *shim, flow string) seen {
	t.Helper()
	return call(t, s.connect("client"), map[string]any{"op": "flow", "flow": json.RawMessage(flow)})
}

func refusedWith(t *testing.T, s *shim, flow, code string) {
	t.Helper()
	if got := askFlow(t, s, flow); got.failure == nil || got.failure.Code != code {
		t.Errorf("%.80s: %q, %v, want %s", flow, got.stdout, got.failure, code)
	}
}

func TestAFlowGoesToTheGatewayAndBack(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	s.gatewayOf("gateway", answers("one"))
	got := askFlow(t, s, someFlow)
	if got.failure != nil || len(got.events) != 1 || !strings.HasPrefix(string(got.stdout), "one {") || !strings.HasSuffix(string(got.stdout), "} hello") {
		t.Fatalf("%q, %v, %v", got.stdout, got.events, got.failure)
	}
}

func TestTheSandboxDoesNotSayWhoseAFlowIs(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	s.gatewayOf("gateway", answers("one"))
	for _, flow := range []string{
		`{"op":"tcp","dst":"203.0.113.7","port":443,"via":"tun","tag":"stolen"}`,
		`{"tag":"stolen","op":"tcp","dst":"203.0.113.7","port":443,"TAG":"stolen","tag":"stolen"}`,
		`{"op":"udp","dst":"203.0.113.7","port":443,"t\u0061g":"stolen"}`,
	} {
		if got := askFlow(t, s, flow); got.failure != nil || strings.Contains(string(got.stdout), "stolen") || !strings.Contains(string(got.stdout), `"port":443`) {
			t.Errorf("%s: %q, %v", flow, got.stdout, got.failure)
		}
	}
}

func TestWithoutAGatewayTheNetworkIsClosed(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	refusedWith(t, s, someFlow, "refused")
	g := s.gatewayOf("gateway", answers("one"))
	if got := askFlow(t, s, someFlow); got.failure != nil {
		t.Fatal(got.failure)
	}
	g.Close()
	eventually(t, "flows are refused", func() bool {
		got := askFlow(t, s, someFlow)
		return got.failure != nil && got.failure.Code == "refused"
	})
	s.gatewayOf("gateway", answers("two"))
	if got := askFlow(t, s, someFlow); !strings.HasPrefix(string(got.stdout), "two ") {
		t.Errorf("%q, %v", got.stdout, got.failure)
	}
}

func TestFlowsEndWithTheirGateway(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	g := s.gatewayOf("gateway", func(s *wire.Stream) {
		_ = s.Event(map[string]any{"event": "connected"})
		<-s.Canceled()
	})
	flow := open(t, s.connect("client"), map[string]any{"op": "flow", "flow": json.RawMessage(someFlow)})
	if m, err := next(t, flow); err != nil || m.Kind != wire.EventType {
		t.Fatal(m, err)
	}
	g.Close()
	if got := drain(t, flow); got.failure == nil {
		t.Errorf("%+v", got)
	}
}

func TestTheNewestGatewayTakesThePlaceOfTheOneBefore(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	first := s.gatewayOf("gateway", answers("one"))
	s.gatewayOf("gateway", answers("two"))
	if err := <-first.ended; err != nil {
		t.Errorf("the one before: %v", err)
	}
	if got := askFlow(t, s, someFlow); !strings.HasPrefix(string(got.stdout), "two ") {
		t.Errorf("%q, %v", got.stdout, got.failure)
	}
}

func TestWhoIsNoGatewayGetsNoFlow(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	for _, role := range []string{"client", "daemon", "agent"} {
		g := s.gatewayOf(role, answers(role))
		<-g.Done()
	}
	refusedWith(t, s, someFlow, "refused")
}

func TestOnlyFlowsArePassedOn(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	s.gatewayOf("gateway", answers("one"))
	refusedWith(t, s, `{"op":"exec","argv":["sh"]}`, "unknown_op")
	refusedWith(t, s, `{"op":"tcp","dst":"`+strings.Repeat("x", mostOfFlow)+`"}`, "invalid")
}

func TestManyFlowsMayBeOpenButNotAnyNumber(t *testing.T) {
	s := newShim(t, withNetwork, withScript("egress"))
	arrived := make(chan struct{}, wire.MaxFlows)
	s.gatewayOf("gateway", func(stream *wire.Stream) {
		arrived <- struct{}{}
		<-stream.Canceled()
	})
	got := call(t, s.connect("client"), map[string]any{"op": "flow", "flow": json.RawMessage(someFlow), "count": wire.MaxFlows + 1})
	if got.result["opened"] != float64(wire.MaxFlows) {
		t.Fatalf("%+v", got)
	}
	for range wire.MaxFlows {
		<-arrived
	}
}

func TestTheSocketForGatewaysIsOursAndGoesWithTheSandbox(t *testing.T) {
	s := newShim(t)
	if _, err := os.Lstat(filepath.Join(s.orders.RuntimeDir, egressName)); !os.IsNotExist(err) {
		t.Errorf("without a network: %v", err)
	}
	s = newShim(t, withNetwork)
	path := filepath.Join(s.orders.RuntimeDir, egressName)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	g := s.gatewayOf("gateway", answers("one"))
	if got := call(t, s.connect("client"), map[string]any{"op": "shutdown", "grace_ms": 0}); got.failure != nil {
		t.Fatal(got.failure)
	}
	if how := s.ended(); how.Reason != "stopped" {
		t.Errorf("%+v", how)
	}
	if err := <-g.ended; err != nil {
		t.Errorf("the gateway heard %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("afterwards: %v", err)
	}
}
