package shim

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
)

func encoded(text string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
}

const goodOrders = `{"runtime_dir":"/r","log_dir":"/data/sandboxes/id-7/log","helper":"/h","mode":"launch-as-user","prologue":{"a":1},` +
	`"plan":{"b":[2]},"restart":{"argv":["/d","--x"],"env":["HOME=/"],"socket":"/s","lock":"/l"},"version":"1","later":true}`

func TestOrdersAreReadAsTheyAreMeant(t *testing.T) {
	o, err := readOrders(bytes.NewReader(encoded(goodOrders)))
	if err != nil {
		t.Fatal(err)
	}
	if o.Sandbox != "id-7" || string(o.Plan) != `{"b":[2]}` || string(o.Prologue) != `{"a":1}` || o.Restart.Argv[1] != "--x" || o.Restart.Lock != "/l" {
		t.Fatalf("%+v", o)
	}
}

func TestOrdersThatMakeNoSenseAreRefused(t *testing.T) {
	change := func(old, new string) []byte { return encoded(strings.Replace(goodOrders, old, new, 1)) }
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"nothing":                {nil, "no orders"},
		"half a length":          {[]byte{1, 2}, "unexpected EOF"},
		"no length":              {encoded(""), "out of range"},
		"too great a length":     {[]byte{255, 255, 255, 255}, "out of range"},
		"less than was said":     {encoded(goodOrders)[:50], "unexpected EOF"},
		"no JSON":                {encoded("{"), "unexpected end"},
		"a relative folder":      {change(`"/r"`, `"r"`), "runtime_dir"},
		"a NUL in a folder":      {change(`/data`, `/d\u0000`), "log_dir"},
		"no helper":              {change(`"/h"`, `""`), "helper"},
		"an unknown mode":        {change(`launch-as-user`, `docker`), "docker"},
		"no plan":                {change(`"plan"`, `"plam"`), "plan"},
		"no agent_spec":          {change(`launch-as-user`, `none`), "agent_spec"},
		"a relative lock":        {change(`"/l"`, `"l"`), "restart"},
		"a restart of nothing":   {change(`["/d","--x"]`, `[]`), "restart"},
		"a restart of some name": {change(`"/d"`, `"d"`), "restart"},
	} {
		if _, err := readOrders(bytes.NewReader(c.bytes)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAShimWithoutOrdersEndsWithoutAWord(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{"none": {[]byte{}, ""}, "broken": {encoded("{}"), "orders"}} {
		s := launchShim(t, func(s *shim) { s.raw = c.bytes })
		if line := s.line(); (c.want == "") != (line == nil) || (line != nil && line["step"] != c.want) {
			t.Errorf("%s: %v", name, line)
		}
		s.awaitExit()
		if s.process.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: exit status %d", name, s.process.ProcessState.ExitCode())
		}
	}
}

func FuzzReadOrders(f *testing.F) {
	f.Add(encoded(goodOrders))
	f.Add([]byte{4, 0, 0, 0, 'n', 'u', 'l', 'l'})
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := readOrders(bytes.NewReader(data))
		if err != nil {
			return
		}
		if !absolute(o.RuntimeDir) || !absolute(o.Helper) || !absolute(o.LogDir) || !json.Valid(data[4:]) {
			t.Fatalf("taken: %q", data)
		}
	})
}

func TestTheStartOfAProcessIsReadWhateverItIsCalled(t *testing.T) {
	for _, c := range []struct{ stat, want string }{
		{"12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20", "4711"},
		{"12 (a) S 1 2", ""},
		{"", ""},
	} {
		if got, err := startTime([]byte(c.stat)); got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %q, %v", c.stat, got, err)
		}
	}
}
