package shim

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Modes of starting a sandbox.
const (
	launchAsRoot = "launch-as-root"
	launchAsUser = "launch-as-user"
	noIsolation  = "none"
)

// mostOrders bounds the orders: a plan may be long.
const mostOrders = 64 << 20

// Orders say what to do; doc.go explains them.
type Orders struct {
	RuntimeDir string          `json:"runtime_dir"`
	LogDir     string          `json:"log_dir"`
	Sandbox    string          `json:"sandbox"`
	Helper     string          `json:"helper"`
	Mode       string          `json:"mode"`
	Prologue   json.RawMessage `json:"prologue"`
	Plan       json.RawMessage `json:"plan"`
	AgentSpec  json.RawMessage `json:"agent_spec"`
	Network    bool            `json:"network"`
	Restart    *Restart        `json:"restart"`
	Version    string          `json:"version"`
	// entry is what a command with a network of its own needs of the plan; nil where there cannot be any.
	entry []byte
}

// Restart is how to start a daemon that has crashed.
type Restart struct {
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	// Socket is where a daemon that lives accepts connections.
	Socket string `json:"socket"`
	// Lock is the file whose lock decides which of several shims starts it.
	Lock string `json:"lock"`
}

// errNoOrders means that whoever started us changed its mind.
var errNoOrders = errors.New("there are no orders")

func readOrders(from io.Reader) (*Orders, error) {
	var header [4]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		if err == io.EOF {
			return nil, errNoOrders
		}
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length == 0 || length > mostOrders {
		return nil, fmt.Errorf("length %d is out of range", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(from, text); err != nil {
		return nil, err
	}
	orders := &Orders{}
	if err := json.Unmarshal(text, orders); err != nil {
		return nil, err
	}
	return orders, orders.check()
}

func (o *Orders) check() error {
	for name, value := range map[string]string{"runtime_dir": o.RuntimeDir, "log_dir": o.LogDir, "helper": o.Helper} {
		if !absolute(value) {
			return fmt.Errorf("%s must be an absolute path, not %q", name, value)
		}
	}
	switch o.Mode {
	case launchAsRoot, launchAsUser:
		if len(o.Prologue) == 0 || len(o.Plan) == 0 {
			return errors.New("prologue and plan are needed to launch")
		}
	case noIsolation:
		if len(o.AgentSpec) == 0 {
			return errors.New("agent_spec is needed without isolation")
		}
	default:
		return fmt.Errorf("mode %q is not known", o.Mode)
	}
	if o.Sandbox == "" {
		o.Sandbox = path.Base(path.Dir(o.LogDir))
	}
	if r := o.Restart; r != nil && (len(r.Argv) == 0 || !absolute(r.Argv[0]) || !absolute(r.Socket) || !absolute(r.Lock)) {
		return errors.New("restart needs argv, socket and lock, with absolute paths")
	}
	return nil
}

func absolute(name string) bool {
	return strings.HasPrefix(name, "/") && !strings.Contains(name, "\x00")
}
