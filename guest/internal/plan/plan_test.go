package plan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// message is text with its length before it.
func message(text string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func TestMessageIsReadToItsLastByteAndNoFurther(t *testing.T) {
	stream := bytes.NewReader(append(append(message(`{"stage":"/mnt"}`), message(`{"bwrap":"/usr/bin/bwrap"}`)...), "S\x0f"...))
	var prologue Prologue
	if err := readFrom(stream, &prologue); err != nil || prologue.Stage != "/mnt" {
		t.Fatalf("prologue = %+v, %v", prologue, err)
	}
	var work Plan
	if err := readFrom(stream, &work); err != nil || work.Bwrap != "/usr/bin/bwrap" {
		t.Fatalf("plan = %+v, %v", work, err)
	}
	rest, _ := io.ReadAll(stream)
	if string(rest) != "S\x0f" {
		t.Fatalf("left for process 1: %q", rest)
	}
}

func TestMessageMayArriveInPieces(t *testing.T) {
	var prologue Prologue
	err := readFrom(iotest.OneByteReader(bytes.NewReader(message(`{"stage":"/srv"}`))), &prologue)
	if err != nil || prologue.Stage != "/srv" {
		t.Fatalf("prologue = %+v, %v", prologue, err)
	}
}

func TestEndBeforeAMessageMeansDiscarded(t *testing.T) {
	if err := readFrom(bytes.NewReader(nil), &Plan{}); err != ErrDiscarded {
		t.Fatalf("error = %v", err)
	}
}

func TestDamagedMessagesAreRefused(t *testing.T) {
	whole := message(`{"stage":"/mnt"}`)
	length := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"cut in the length":      {whole[:3], "read length"},
		"cut after the length":   {whole[:4], "read message"},
		"cut in the text":        {whole[:len(whole)-1], "read message"},
		"of no length":           {length(0), "out of range"},
		"of the greatest length": {length(1<<32 - 1), "out of range"},
		"one byte too long":      {length(maxBytes + 1), "out of range"},
		"of the most, and cut":   {length(maxBytes), "read message"},
		"no JSON":                {message("{"), "parse message"},
		"of another shape":       {message(`{"stage":7}`), "parse message"},
		"two in one":             {message(`{}{}`), "parse message"},
	} {
		err := readFrom(bytes.NewReader(c.bytes), &Prologue{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("message %s: error = %v, want %q", name, err, c.want)
		}
		if errors.Is(err, ErrDiscarded) {
			t.Errorf("message %s counts as discarded", name)
		}
	}
}

func FuzzReadFrom(f *testing.F) {
	f.Add(message(`{"stage":"/mnt","mounts":[{"kind":"bind"}]}`))
	f.Add([]byte{4, 0, 0, 0, 'n', 'u', 'l', 'l'})
	f.Add([]byte{255, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		reader := bytes.NewReader(data)
		var work Plan
		err := readFrom(reader, &work)
		taken := len(data) - reader.Len()
		if err == nil && taken != 4+int(binary.LittleEndian.Uint32(data)) {
			t.Fatalf("took %d bytes", taken)
		}
		if len(data) == 0 != errors.Is(err, ErrDiscarded) {
			t.Fatalf("error = %v for %d bytes", err, len(data))
		}
	})
}

func TestRawReaderReadsADescriptorWithoutOwningIt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("ab"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	raw := rawReader(int(r.Fd()))
	got, err := io.ReadAll(raw)
	if err != nil || string(got) != "ab" {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := rawReader(-1).Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Fatalf("a closed descriptor gives %v", err)
	}
}

func TestPlanHasTheFieldsThatTheHostSends(t *testing.T) {
	text := `{"cgroupProcs":["/c"],"mounts":[{"kind":"overlay","target":"workspace","lower":"l","upper":"u","noOverlay":true,
		"within":"w","source":"/s","readOnly":true,"map":true,"exact":true,"size":5,"noExec":true,"mode":420,"owned":true,"data":"d",
		"prefixes":["p"],"optional":true}],"terminal":true,"detach":["x"],"dropTo":{"uid":7,"gid":8},
		"idMap":[{"inside":1,"outside":2,"count":3}],"bwrap":"/b","args":["--a"],"seccomp":"AQI=","init":"/i","mode":"agent","spec":{"argv":["c"]},
		"network":{"egress":true,"tun":true,"ports":true}}`
	var got Plan
	if err := readFrom(bytes.NewReader(message(text)), &got); err != nil {
		t.Fatal(err)
	}
	want := Plan{
		CgroupProcs: []string{"/c"},
		Mounts: []Mount{{
			Kind: "overlay", Target: "workspace", Lower: "l", Upper: "u", NoOverlay: true, Within: "w", Source: "/s", ReadOnly: true,
			Map: true, Exact: true, Size: 5, NoExec: true, Mode: 0o644, Owned: true, Data: "d", Prefixes: []string{"p"}, Optional: true,
		}},
		Terminal: true, Detach: []string{"x"}, DropTo: &Identity{UID: 7, GID: 8}, IDMap: []IDRange{{Inside: 1, Outside: 2, Count: 3}},
		Bwrap: "/b", Args: []string{"--a"}, Seccomp: []byte{1, 2}, Init: "/i", Mode: Stays, Spec: json.RawMessage(`{"argv":["c"]}`),
		Network: Network{Egress: true, TUN: true, Ports: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("plan = %+v", got)
	}
}

// fill gives every field of a struct a value, those of the structs in it too.
func fill(value reflect.Value) {
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			fill(value.Field(i))
		}
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(value.Elem())
	case reflect.Slice:
		if value.Type() == reflect.TypeFor[json.RawMessage]() {
			value.SetBytes([]byte(`{"argv":["c"]}`))
			return
		}
		value.Set(reflect.MakeSlice(value.Type(), 2, 2))
		fill(value.Index(0))
		fill(value.Index(1))
	case reflect.String:
		value.SetString(`a "word" of /ours`)
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int, reflect.Int64:
		value.SetInt(900_000_001)
	default:
		value.SetUint(201)
	}
}

func TestEveryFieldIsRead(t *testing.T) {
	var prologue, gotPrologue Prologue
	var work, gotWork Plan
	for _, c := range []struct {
		sent any
		got  Message
	}{{&prologue, &gotPrologue}, {&work, &gotWork}} {
		fill(reflect.ValueOf(c.sent).Elem())
		text, err := json.Marshal(c.sent)
		if err != nil {
			t.Fatal(err)
		}
		if err := readFrom(bytes.NewReader(message(string(text))), c.got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.sent, reflect.ValueOf(c.got).Interface()) {
			t.Errorf("sent %s, got %+v", text, c.got)
		}
	}
}

func TestAFieldThatNobodyKnowsIsRefused(t *testing.T) {
	err := readFrom(bytes.NewReader(message(`{"stage":"/mnt","mount":[]}`)), &Prologue{})
	if err == nil || !strings.Contains(err.Error(), `field "mount"`) {
		t.Errorf("error = %v", err)
	}
}
