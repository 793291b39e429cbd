package shim

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"agentkernel/guest/internal/wire"
)

// BenchmarkStdout is what a command writes, through agent, log and shim to a client that does nothing with it.
func BenchmarkStdout(b *testing.B) {
	const size = 1 << 30
	s := newShim(b)
	conn := s.connect("client")
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		stream := open(b, conn, shell(fmt.Sprint("c", i), fmt.Sprintf("exec head -c %d /dev/zero", size)))
		got := 0
		for {
			m, err := stream.Recv()
			if err != nil {
				b.Fatal(err)
			}
			if m.Kind == wire.DataType {
				got += len(m.Data)
			}
			if m.Kind == wire.EndType {
				break
			}
		}
		if got != size {
			b.Fatalf("%d bytes", got)
		}
	}
	b.ReportMetric(float64(privateKiB(b, s.process.Process.Pid)), "KiB-private")
}

// BenchmarkExec is one small command after the other.
func BenchmarkExec(b *testing.B) {
	conn := newShim(b).connect("client")
	for i := 0; b.Loop(); i++ {
		call(b, conn, shell(fmt.Sprint("c", i), "", map[string]any{"argv": []string{"/bin/true"}}))
	}
}

// BenchmarkIdle is what a shim costs that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	s := newShim(b)
	call(b, s.connect("client"), shell("a", "true"))
	for b.Loop() {
	}
	eventually(b, "it gives memory back", func() bool { return privateKiB(b, s.process.Process.Pid) < 4096 })
	b.ReportMetric(float64(privateKiB(b, s.process.Process.Pid)), "KiB-private")
}

var privateLine = regexp.MustCompile(`(?m)^Private_(?:Clean|Dirty):\s+(\d+) kB$`)

// privateKiB is the memory of a process that it shares with nobody.
func privateKiB(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, match := range privateLine.FindAllSubmatch(text, -1) {
		n, err := strconv.Atoi(string(match[1]))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
