package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"unicode/utf8"
)

// Numbers of docs/guest-protocol.md.
const (
	ProtocolVersion = 1
	HeaderBytes     = 9
	// MaxPayload is the largest payload of any frame; only OPEN uses all of it.
	MaxPayload = 2 << 20
	// MaxJSON is the largest JSON of every frame but OPEN.
	MaxJSON = 64 << 10
	// MaxData is the largest content of one DATA frame, without its channel.
	MaxData       = 64 << 10
	InitialCredit = 256 << 10
	MaxCredit     = 16 << 20
	// MaxStreams may be open at once in a connection.
	MaxStreams = 256
	// MaxFlows may be open at once in an egress connection.
	MaxFlows = 4096
	// MaxWaitingEvents bounds the opener's events that nobody has taken yet, in bytes.
	MaxWaitingEvents = 64 << 10
)

// Type is the type of a frame.
type Type byte

// Types of frames.
const (
	HelloType  Type = 1
	PingType   Type = 2
	PongType   Type = 3
	OpenType   Type = 4
	DataType   Type = 5
	EOFType    Type = 6
	CreditType Type = 7
	EventType  Type = 8
	EndType    Type = 9
	ErrorType  Type = 10
	CancelType Type = 11
	ByeType    Type = 12
)

// Channels of a stream.
const (
	// In goes to the one who serves: stdin, an upload.
	In byte = 0
	// Out comes from it: stdout, a download.
	Out byte = 1
	// Err is stderr.
	Err byte = 2
)

// Header is what every frame begins with.
type Header struct {
	Length uint32
	Stream uint32
	Type   Type
}

// ProtocolError is a broken rule of the protocol. Reason is one of a fixed set, which the vectors in spec/ name.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "guest protocol: " + e.Reason }

func broken(reason string) error { return &ProtocolError{reason} }

// shape is what a frame of a type must look like: bounds of its payload, and whether it is about the connection or a stream.
type shape struct {
	least, most        uint32
	onStream, onItself bool
}

var shapes = [...]shape{
	HelloType:  {2, MaxJSON, false, true},
	PingType:   {8, 8, false, true},
	PongType:   {8, 8, false, true},
	OpenType:   {2, MaxPayload, true, false},
	DataType:   {2, 1 + MaxData, true, false},
	EOFType:    {1, 1, true, false},
	CreditType: {4, 4, true, false},
	EventType:  {2, MaxJSON, true, false},
	EndType:    {2, MaxJSON, true, false},
	ErrorType:  {2, MaxJSON, true, true},
	CancelType: {0, 0, true, false},
	ByeType:    {0, 0, false, true},
}

// ParseHeader reads a header and checks everything that can be known before the payload has come. A reader must not make
// room for a payload before that.
func ParseHeader(raw *[HeaderBytes]byte) (Header, error) {
	h := Header{
		Length: binary.LittleEndian.Uint32(raw[0:4]),
		Stream: binary.LittleEndian.Uint32(raw[4:8]),
		Type:   Type(raw[8]),
	}
	if h.Length > MaxPayload {
		return h, broken("length")
	}
	if int(h.Type) >= len(shapes) || h.Type == 0 {
		return h, broken("type")
	}
	want := shapes[h.Type]
	if h.Length < want.least || h.Length > want.most {
		return h, broken("length")
	}
	if h.Stream == 0 && !want.onItself || h.Stream != 0 && !want.onStream {
		return h, broken("stream")
	}
	return h, nil
}

// CheckPayload checks a whole payload by itself, without what came before it.
func CheckPayload(h Header, payload []byte) error {
	switch h.Type {
	case HelloType, OpenType, EventType, EndType, ErrorType:
		return checkObject(payload)
	case DataType, EOFType:
		if payload[0] > Err {
			return broken("channel")
		}
	}
	return nil
}

func checkObject(text []byte) error {
	if !utf8.Valid(text) {
		return broken("utf8")
	}
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(trimmed) {
		return broken("json")
	}
	return nil
}

// AppendFrame appends one frame to out. The payload is the caller's responsibility.
func AppendFrame(out []byte, stream uint32, kind Type, payload []byte) []byte {
	return append(appendHeader(out, stream, kind, len(payload)), payload...)
}

func appendHeader(out []byte, stream uint32, kind Type, length int) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(length))
	out = binary.LittleEndian.AppendUint32(out, stream)
	return append(out, byte(kind))
}

// Hello is what each side says of itself first.
type Hello struct {
	Protocol int `json:"protocol"`
	// Role is client, daemon, shim, agent or gateway.
	Role     string   `json:"role"`
	Version  string   `json:"version"`
	Features []string `json:"features"`
}

// Has tells whether the side named a feature; only then may it be used.
func (h Hello) Has(feature string) bool {
	for _, one := range h.Features {
		if one == feature {
			return true
		}
	}
	return false
}

// ErrorBody is the payload of an ERROR frame, and the error that Open, Recv and others return for it.
type ErrorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Errno is the system's error number, 0 when there was none.
	Errno int `json:"errno,omitempty"`
}

func (e *ErrorBody) Error() string { return e.Code + ": " + e.Message }
