package shim

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/wire"
)

// testAgent is what becomes of an agent in hostile hands.
func testAgent() int {
	fd, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return 2
	}
	text, err := os.ReadFile("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return 3
	}
	var spec struct {
		Script string `json:"script"`
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		return 4
	}
	_ = unix.SetNonblock(5, true)
	socket := os.NewFile(5, "socket")
	context, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(3, "control"))
		cancel()
		if spec.Script != "deaf" {
			os.Exit(0)
		}
	}()
	return scripts[spec.Script](context, socket)
}

var agentFeatures = []string{"exec", "files", "shutdown"}

var scripts = map[string]func(context.Context, *os.File) int{
	// Ends before it says anything.
	"gone": func(context.Context, *os.File) int { return 7 },
	// Says on the status pipe why it cannot.
	"fails": func(context.Context, *os.File) int {
		say(`{"copied":true,"step":"overlay","code":0}`)
		say(`this is no JSON`)
		say(`{"error":"exec","step":"agent","errno":13,"detail":"permission denied","code":0}`)
		return 125
	},
	// Never says hello.
	"mute": func(ctx context.Context, _ *os.File) int {
		<-ctx.Done()
		return 0
	},
	// Is something else.
	"client": func(_ context.Context, socket *os.File) int {
		_ = wire.NewConn(socket, wire.Hello{Role: "client"}, func(*wire.Stream) {}).Run()
		return 0
	},
	// Closes the connection and lives on.
	"leaves": func(ctx context.Context, socket *os.File) int {
		conn := wire.NewConn(socket, wire.Hello{Role: "agent", Features: agentFeatures}, func(s *wire.Stream) {
			_ = s.Event(map[string]any{"event": "started", "pid": 2})
			s.Conn().Bye()
		})
		_ = conn.Run()
		<-ctx.Done()
		return 0
	},
	// Never answers, and does not end when it is told to.
	"deaf": func(context.Context, *os.File) int {
		for {
			time.Sleep(time.Hour)
		}
	},
	// Answers what is asked of it with whatever the request says.
	"liar": func(_ context.Context, socket *os.File) int {
		conn := wire.NewConn(socket, wire.Hello{Role: "agent", Features: agentFeatures}, lie)
		_ = conn.Run()
		return 0
	},
	// Opens the flows that it is asked for, and answers with what becomes of them.
	"egress": func(_ context.Context, socket *os.File) int {
		_ = unix.SetNonblock(6, true)
		egress := wire.NewConn(os.NewFile(6, "egress"), wire.Hello{Role: "agent", Features: []string{featureEgress}}, nil)
		egress.AllowStreams(wire.MaxFlows)
		go func() { _ = egress.Run() }()
		conn := wire.NewConn(socket, wire.Hello{Role: "agent", Features: agentFeatures}, func(s *wire.Stream) { openFlow(s, egress) })
		_ = conn.Run()
		return 0
	},
	// Sends the bytes that the first request asks for, after an honest hello.
	"raw": func(_ context.Context, socket *os.File) int {
		hello := []byte(`{"protocol":1,"role":"agent","version":"1","features":["exec"]}`)
		_, _ = socket.Write(wire.AppendFrame(nil, 0, wire.HelloType, hello))
		for {
			var header [wire.HeaderBytes]byte
			if _, err := io.ReadFull(socket, header[:]); err != nil {
				return 0
			}
			payload := make([]byte, binary.LittleEndian.Uint32(header[:]))
			if _, err := io.ReadFull(socket, payload); err != nil {
				return 0
			}
			var request struct{ Raw []byte }
			if wire.Type(header[8]) == wire.OpenType && json.Unmarshal(payload, &request) == nil {
				_, _ = socket.Write(request.Raw)
			}
		}
	},
}

// openFlow opens the flow that the request holds, sends a word on it, and passes on what comes.
func openFlow(s *wire.Stream, egress *wire.Conn) {
	var request struct {
		Flow  json.RawMessage
		Count int
	}
	_ = json.Unmarshal(s.Payload(), &request)
	for i := range request.Count {
		if _, err := egress.Open(request.Flow); err != nil {
			s.End(map[string]any{"opened": i})
			return
		}
	}
	flow, err := egress.Open(request.Flow)
	if err != nil {
		s.Fail("io", err.Error(), 0)
		return
	}
	_ = flow.Write(wire.In, []byte("hello"))
	flow.CloseChannel(wire.In)
	for {
		m, err := flow.Recv()
		var failure *wire.ErrorBody
		switch {
		case errors.As(err, &failure):
			s.FailWith(failure)
			return
		case err != nil:
			s.Fail("io", err.Error(), 0)
			return
		case m.Kind == wire.EventType:
			_ = s.Event(json.RawMessage(m.Data))
		case m.Kind == wire.DataType:
			_ = s.Write(wire.Out, m.Data)
		case m.Kind == wire.EndType:
			s.End(json.RawMessage(m.Data))
			return
		}
	}
}

func say(line string) { _, _ = unix.Write(4, []byte(line+"\n")) }

// lie sends the events that the request names, and ends with the result that it names, if any.
func lie(s *wire.Stream) {
	var request struct {
		Events []json.RawMessage
		Result json.RawMessage
	}
	_ = json.Unmarshal(s.Payload(), &request)
	for _, event := range request.Events {
		_ = s.Event(event)
	}
	if request.Result != nil {
		s.End(request.Result)
		return
	}
	<-s.Conn().Done()
}
