package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

// vectors is spec/guest-protocol.json, which TypeScript passes too.
type vectors struct {
	Protocol int `json:"protocol"`
	Frames   []struct {
		Name  string `json:"name"`
		Hex   string `json:"hex"`
		Frame struct {
			Type    string        `json:"type"`
			Stream  uint32        `json:"stream"`
			Payload vectorPayload `json:"payload"`
		} `json:"frame"`
	} `json:"frames"`
	Malformed []struct {
		Name  string `json:"name"`
		Hex   string `json:"hex"`
		Error string `json:"error"`
	} `json:"malformed"`
	Conversations []conversation `json:"conversations"`
}

type vectorPayload struct {
	JSON    json.RawMessage `json:"json"`
	Hex     string          `json:"hex"`
	Channel *byte           `json:"channel"`
	Credit  *uint32         `json:"credit"`
}

type conversation struct {
	Name     string            `json:"name"`
	Side     string            `json:"side"`
	Receives []json.RawMessage `json:"receives"`
	Error    *string           `json:"error"`
}

var typeNames = map[string]Type{
	"hello": HelloType, "ping": PingType, "pong": PongType, "open": OpenType, "data": DataType, "eof": EOFType,
	"credit": CreditType, "event": EventType, "end": EndType, "error": ErrorType, "cancel": CancelType, "bye": ByeType,
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("../../../spec/guest-protocol.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if v.Protocol != ProtocolVersion || len(v.Frames) == 0 || len(v.Malformed) == 0 || len(v.Conversations) == 0 {
		t.Fatal("the vectors are incomplete")
	}
	return v
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// parse reads one frame as a connection does: the header is judged before the payload.
func parse(raw []byte) (Header, []byte, error) {
	if len(raw) < HeaderBytes {
		return Header{}, nil, errors.New("short")
	}
	h, err := ParseHeader((*[HeaderBytes]byte)(raw[:HeaderBytes]))
	if err != nil {
		return h, nil, err
	}
	payload := raw[HeaderBytes:]
	if uint32(len(payload)) < h.Length {
		return h, nil, errors.New("short")
	}
	payload = payload[:h.Length]
	return h, payload, CheckPayload(h, payload)
}

func TestEveryVectorOfAFrameIsReadAndWrittenAsItIs(t *testing.T) {
	seen := map[Type]bool{}
	for _, vector := range readVectors(t).Frames {
		raw := unhex(t, vector.Hex)
		h, payload, err := parse(raw)
		if err != nil {
			t.Errorf("%s: %v", vector.Name, err)
			continue
		}
		seen[h.Type] = true
		if h.Type != typeNames[vector.Frame.Type] || h.Stream != vector.Frame.Stream {
			t.Errorf("%s: header %+v", vector.Name, h)
		}
		if !vector.Frame.Payload.is(t, payload) {
			t.Errorf("%s: payload %q", vector.Name, payload)
		}
		if again := AppendFrame(nil, h.Stream, h.Type, payload); !bytes.Equal(again, raw) {
			t.Errorf("%s: written as %x", vector.Name, again)
		}
	}
	if len(seen) != len(typeNames) {
		t.Errorf("types with a vector: %v", seen)
	}
}

// is compares a payload with what the vector says of it.
func (want vectorPayload) is(t *testing.T, payload []byte) bool {
	t.Helper()
	switch {
	case want.JSON != nil:
		var a, b any
		return json.Unmarshal(want.JSON, &a) == nil && json.Unmarshal(payload, &b) == nil && reflect.DeepEqual(a, b)
	case want.Credit != nil:
		return len(payload) == 4 && binary.LittleEndian.Uint32(payload) == *want.Credit
	case want.Channel != nil:
		return payload[0] == *want.Channel && bytes.Equal(payload[1:], unhex(t, want.Hex))
	}
	return bytes.Equal(payload, unhex(t, want.Hex))
}

func TestEveryMalformedVectorIsRefusedWithItsReason(t *testing.T) {
	for _, vector := range readVectors(t).Malformed {
		_, _, err := parse(unhex(t, vector.Hex))
		var rule *ProtocolError
		if !errors.As(err, &rule) || rule.Reason != vector.Error {
			t.Errorf("%s: %v, want %s", vector.Name, err, vector.Error)
		}
	}
}

func FuzzFrame(f *testing.F) {
	v := readVectors(f)
	for _, vector := range v.Frames {
		f.Add(unhex(f, vector.Hex))
	}
	for _, vector := range v.Malformed {
		f.Add(unhex(f, vector.Hex))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, payload, err := parse(raw)
		if err != nil {
			return
		}
		if h.Length > MaxPayload || (h.Type != OpenType && h.Length > MaxJSON+1) {
			t.Fatalf("accepted %+v", h)
		}
		again := AppendFrame(nil, h.Stream, h.Type, payload)
		if !bytes.Equal(again, raw[:len(again)]) {
			t.Fatalf("%x is written as %x", raw, again)
		}
	})
}

// bytesOf is what the item of a conversation stands for.
func bytesOf(t testing.TB, item json.RawMessage) []byte {
	t.Helper()
	var text string
	if json.Unmarshal(item, &text) == nil {
		return unhex(t, text)
	}
	var made struct {
		Data, Event *struct {
			Stream  uint32 `json:"stream"`
			Channel byte   `json:"channel"`
			Bytes   int    `json:"bytes"`
		}
	}
	if err := json.Unmarshal(item, &made); err != nil {
		t.Fatal(err)
	}
	if d := made.Data; d != nil {
		return AppendFrame(nil, d.Stream, DataType, append([]byte{d.Channel}, make([]byte, d.Bytes)...))
	}
	return AppendFrame(nil, made.Event.Stream, EventType, objectOf(made.Event.Bytes))
}

// objectOf is a JSON object of so many bytes.
func objectOf(n int) []byte {
	if n < 8 {
		return []byte("{" + strings.Repeat(" ", n-2) + "}")
	}
	return []byte(`{"a":"` + strings.Repeat("x", n-8) + `"}`)
}
