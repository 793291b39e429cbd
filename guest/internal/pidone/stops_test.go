package pidone

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/uplink"
)

// Process 1 has descriptors of fixed numbers, so a copy of this program is process 1, and the test is the host.
func TestMain(m *testing.M) {
	if os.Getenv("PIDONE_TEST") != "" {
		os.Exit(Main(os.Args[2:], uplink.None))
	}
	os.Exit(m.Run())
}

// stopping stops itself again and again; each time a child of its own waits for that and lets it go on.
const stopping = `i=0
while [ $i -lt 40 ]; do
  i=$((i + 1))
  (until grep -q '^State:.T' /proc/$$/status; do :; done; kill -CONT $$) &
  kill -STOP $$
  wait
done
exit 7`

func TestACommandThatIsStoppedVeryOftenIsWaitedForThoughNobodyReads(t *testing.T) {
	control, orders := pipe(t)
	report, status := pipe(t)
	if _, err := unix.FcntlInt(status.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
		t.Fatal(err)
	}
	// Room for how the command ended and for a stop or two, but not for all of them.
	const room = 120
	if _, err := status.WriteString(strings.Repeat("\n", os.Getpagesize()-room)); err != nil {
		t.Fatal(err)
	}
	init := startInit(t, Spec{Argv: []string{"/bin/sh", "-c", stopping}, Env: []string{"PATH=/usr/bin:/bin"}, Cwd: "/"}, control, status)
	tooLate := time.AfterFunc(time.Minute, func() { _ = init.Process.Kill() })
	err := init.Wait()
	if !tooLate.Stop() {
		t.Fatal("process 1 waits for somebody to read")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _ = orders.Close(), status.Close()
	text := make([]byte, os.Getpagesize())
	n, err := report.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text[:n])); !strings.HasPrefix(got, `{"ended":"exited","code":7,`) {
		t.Fatalf("process 1 said %q", got)
	}
}

// startInit starts process 1 with these orders.
func startInit(t *testing.T, spec Spec, control, status *os.File, more ...*os.File) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	read, write := pipe(t)
	if _, err := write.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The first of the files becomes descriptor 3.
	command := exec.Command(program, "init", "5")
	command.Env = append(os.Environ(), "PIDONE_TEST=1")
	command.ExtraFiles = append([]*os.File{control, status, read}, more...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, end := range []*os.File{read, write} {
			if err := end.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
		}
	})
	return read, write
}
