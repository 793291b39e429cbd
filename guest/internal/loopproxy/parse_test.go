package loopproxy

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"

	"agentkernel/guest/internal/flow"
	"agentkernel/guest/internal/wire"
)

func TestSOCKSAnswers(t *testing.T) {
	answers := map[uint16]string{1: "denied", 2: "refused", 3: "unreachable", 4: "timed_out", 5: "io"}
	p := begin(t, Options{}, func(s *wire.Stream, r flow.Request) { s.Fail(answers[r.Port], "no", 0) })
	for name, c := range map[string]struct{ ask, want string }{
		"denied":            {"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x01", "\x05\x00\x05\x02"},
		"refused":           {"\x05\x02\x02\x00\x05\x01\x00\x03\x01a\x00\x02", "\x05\x00\x05\x05"},
		"unreachable":       {"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x03", "\x05\x00\x05\x04"},
		"timed out":         {"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x04", "\x05\x00\x05\x06"},
		"failed":            {"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x05", "\x05\x00\x05\x01"},
		"an IPv6 as a name": {"\x05\x01\x00\x05\x01\x00\x03\x03::1\x00\x02", "\x05\x00\x05\x05"},
		"BIND":              {"\x05\x01\x00\x05\x02\x00\x03\x01a\x00\x01", "\x05\x00\x05\x07"},
		"UDP ASSOCIATE":     {"\x05\x01\x00\x05\x03\x00\x03\x01a\x00\x01", "\x05\x00\x05\x07"},
		"another kind":      {"\x05\x01\x00\x05\x01\x00\x05\x01a\x00\x01", "\x05\x00\x05\x08"},
		"port 0":            {"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x00", "\x05\x00\x05\x01"},
		"an empty name":     {"\x05\x01\x00\x05\x01\x00\x03\x00\x00\x01", "\x05\x00\x05\x01"},
		"a name with NUL":   {"\x05\x01\x00\x05\x01\x00\x03\x02a\x00\x00\x01", "\x05\x00\x05\x01"},
		"a name with @":     {"\x05\x01\x00\x05\x01\x00\x03\x03a@b\x00\x01", "\x05\x00\x05\x01"},
		"passwords only":    {"\x05\x01\x02", "\x05\xff"},
		"SOCKS4":            {"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", ""},
	} {
		if got := p.say(p.socks, c.ask); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestChunksAreFoundHoweverTheyArrive(t *testing.T) {
	const text = "3;ext=\"v\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
	for step := 1; step < len(text); step++ {
		made := body{chunked: true}
		passed := 0
		all := text + "GET http://b.example.com/"
		for begin := 0; begin < len(all); begin += step {
			n, err := made.take([]byte(all[begin:min(begin+step, len(all))]))
			if err != nil {
				t.Fatalf("by %d: %v", step, err)
			}
			passed += n
		}
		if passed != len(text) {
			t.Fatalf("by %d: %d of %d bytes", step, passed, len(text))
		}
	}
}

func TestMalformedChunksEndTheRequest(t *testing.T) {
	for _, text := range []string{
		"\r\n", "g\r\n", "-1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1\n", "1\r\nab", "1\r\na\n", "1\r\na\rx", "1;\n\r\n",
		"1000000000000000\r\n", "1;" + strings.Repeat("x", longestLine+1), "0\r\n" + strings.Repeat("a: b\r\n", longestLine), "0\r\n\n", "0\r\na\n",
	} {
		made := body{chunked: true}
		if _, err := made.take([]byte(text)); !errors.Is(err, errChunk) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add([]byte("GET http://a.example.com/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n"))
	f.Add([]byte("CONNECT [::1]:443 HTTP/1.1\r\n\r\n"))
	f.Add([]byte("POST http://a.example.com?x HTTP/1.1\r\nConnection: a, b\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		head, _, err := readHead(iotest.OneByteReader(bytes.NewReader(text)))
		if err != nil {
			return
		}
		got, err := parseRequest(head)
		if err != nil {
			return
		}
		if got.target.Port == 0 || strings.ContainsAny(got.target.Dst, " \r\n\x00@/") {
			t.Fatalf("%+v", got.target)
		}
		if !got.connect {
			if _, _, err := readHead(bytes.NewReader(got.head)); err != nil || bytes.Count(got.head, []byte("\r\n\r\n")) != 1 {
				t.Fatalf("%q", got.head)
			}
		}
	})
}

// Another reader of chunks must see the end of a body where we do.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("A;x=y\r\n0123456789\r\n0\r\na: b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		made := body{chunked: true}
		n, err := made.take(text)
		if err != nil || made.state != chunksDone {
			return
		}
		if _, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(text[:n]))); err != nil {
			t.Fatalf("%q: %v", text[:n], err)
		}
	})
}

func FuzzSOCKS(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		from := bytes.NewReader(text)
		if greet(from, io.Discard) != nil {
			return
		}
		got, err := readOrder(from)
		if err == nil && (got.Port == 0 || strings.ContainsAny(got.Dst, " \r\n\x00@/")) {
			t.Fatalf("%+v", got)
		}
	})
}
