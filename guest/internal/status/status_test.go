package status

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The descriptor has a fixed number, so a copy of this program writes to it and the test reads what comes.
func TestMain(m *testing.M) {
	if name := os.Getenv("STATUS_TEST_CASE"); name != "" {
		os.Exit(cases[name].write())
	}
	os.Exit(m.Run())
}

var cases = map[string]struct {
	write func() int
	want  string
	exit  int
}{
	"exited": {
		func() int { Send(Line{Ended: "exited", Code: 3, MaxRSS: 1024}); return 0 },
		`{"ended":"exited","code":3,"max_rss":1024}`, 0,
	},
	"exited with zero says so": {
		func() int { Send(Line{Ended: "exited"}); return 0 },
		`{"ended":"exited","code":0}`, 0,
	},
	"two lines": {
		func() int { Send(Line{Started: true}); Send(Line{Stopped: true, Code: 20}); return 0 },
		`{"code":0,"started":true}` + "\n" + `{"code":20,"stopped":true}`, 0,
	},
	"copied": {
		func() int { Send(Line{Copied: true}); return 0 },
		`{"code":0,"copied":true}`, 0,
	},
	"a failure with a number": {
		func() int { return Fail("launch", "pivot root", syscall.EINVAL) },
		`{"error":"launch","step":"pivot root","errno":22,"detail":"invalid argument","code":0}`, 125,
	},
	"a failure with a path and a number below it": {
		func() int {
			return Fail("launch", "cgroup", &fs.PathError{Op: "open", Path: "/c", Err: syscall.EACCES})
		},
		`{"error":"launch","step":"cgroup /c","errno":13,"detail":"permission denied","code":0}`, 125,
	},
	"a wrapped failure": {
		func() int { return Fail("exec", "tool", fmt.Errorf("in a while: %w", syscall.ENOENT)) },
		`{"error":"exec","step":"tool","errno":2,"detail":"no such file or directory","code":0}`, 125,
	},
	"a failure of its own words, on one line": {
		func() int { return Fail("launch", "a\nb", errors.New("two\nlines \xff")) },
		`{"error":"launch","step":"a\nb","detail":"two\nlines ` + "\\ufffd" + `","code":0}`, 125,
	},
}

func TestLines(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, exit := run(t, name)
			if text != c.want+"\n" {
				t.Errorf("wrote %q, want %q", text, c.want+"\n")
			}
			if exit != c.exit {
				t.Errorf("exit status %d, want %d", exit, c.exit)
			}
		})
	}
}

func TestAReaderThatIsGoneIsNoReasonToFail(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	if exit := start(t, "exited", w); exit != 0 {
		t.Fatalf("exit status %d", exit)
	}
}

// run carries a case out in a process of its own and returns what came on the descriptor.
func run(t *testing.T, name string) (string, int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	exit := start(t, name, w)
	w.Close()
	var text strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := r.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			return text.String(), exit
		}
	}
}

func start(t *testing.T, name string, to *os.File) int {
	t.Helper()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), "STATUS_TEST_CASE="+name)
	// The first of these becomes descriptor 3.
	command.ExtraFiles = []*os.File{nothing, to}
	var failed *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode()
}
