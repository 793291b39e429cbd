package shim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// FuzzStatusLines: whatever comes from the sandbox's pipe, what is passed on are whole lines of JSON, and not many.
func FuzzStatusLines(f *testing.F) {
	f.Add([]byte("{\"copied\":true,\"code\":0}\n"))
	f.Add([]byte("{\"error\":\"exec\",\"step\":\"a\nb\"}\n\n{}\nnull\n7\n"))
	f.Add([]byte(strings.Repeat("x", 5000) + "\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		inOut, inIn := pipe(t)
		outOut, outIn := pipe(t)
		go func() {
			_, _ = inIn.Write(data)
			_ = inIn.Close()
		}()
		fd, err := unix.Dup(int(outIn.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		r := &report{fd: fd}
		relayStatus(inOut, r)
		r.last(nil)
		_ = outIn.Close()
		text := readAll(t, outOut)
		if len(text) > mostReported {
			t.Fatalf("%d bytes", len(text))
		}
		for _, line := range strings.SplitAfter(text, "\n") {
			if line != "" && (!strings.HasSuffix(line, "\n") || !json.Valid([]byte(line))) {
				t.Fatalf("%q is passed on", line)
			}
		}
	})
}

func readAll(t *testing.T, file *os.File) string {
	t.Helper()
	var text strings.Builder
	if _, err := file.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// FuzzExecRequest: what is taken of a request is what the agent is asked for, but for what is not its business.
func FuzzExecRequest(f *testing.F) {
	f.Add([]byte(`{"op":"exec","id":"a","argv":["x","é"],"detach":true,"tty":{"cols":1}}`))
	f.Add([]byte(`{"network":true,"Network":true,"n\u0065twork":true}`))
	f.Add([]byte(`{"detach":false,"detach":true,"id":"a","ID":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var request execRequest
		if !json.Valid(data) || json.Unmarshal(data, &request) != nil {
			return
		}
		forwarded, err := forAgent(data)
		if err != nil {
			return
		}
		var again execRequest
		if err := json.Unmarshal(forwarded, &again); err != nil {
			t.Fatal(err)
		}
		if again.Detach || again.Network {
			t.Fatalf("too much in %q", forwarded)
		}
		if strings.Join(again.Argv, "\x00") != strings.Join(request.Argv, "\x00") {
			t.Fatalf("%q became %q", data, forwarded)
		}
		kept := firstArguments(request.Argv)
		size := 0
		for i, arg := range kept {
			size += len(arg)
			if !strings.HasPrefix(request.Argv[i], arg) || (utf8.ValidString(request.Argv[i]) && !utf8.ValidString(arg)) {
				t.Fatalf("%q of %q", arg, request.Argv[i])
			}
		}
		if size > mostArguments {
			t.Fatalf("%d bytes", size)
		}
	})
}
