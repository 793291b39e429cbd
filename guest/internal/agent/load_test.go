package agent

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"agentkernel/guest/internal/wire"
)

func descriptorsOpen(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestAThousandCommandsLeaveNothingBehind(t *testing.T) {
	h := serving(t)
	order := shell("echo hello")
	h.run(order)
	files, routines := descriptorsOpen(t), runtime.NumGoroutine()
	for i := range 1000 {
		switch i % 50 {
		case 0:
			h.refused(object{"op": "exec", "argv": []string{"no-such"}, "env": plainEnv, "cwd": "/"})
		case 1:
			h.run(shell("exit 0", onTerminal(object{"stdin": true})))
		case 2:
			h.run(shell("exit 0", object{"stdin": true}))
		default:
			h.run(order)
		}
	}
	eventually(t, "all is given back", func() bool { return descriptorsOpen(t) <= files && runtime.NumGoroutine() <= routines+4 })
}

func TestManyCommandsAtOnceKeepTheirOutputApart(t *testing.T) {
	h := serving(t)
	var all sync.WaitGroup
	for i := range 64 {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := range 5 {
				text := strconv.Itoa(i) + "-" + strconv.Itoa(j)
				o := h.run(shell("echo " + text + "; exit " + strconv.Itoa(i)))
				if o.stdout != text+"\n" || o.result.Status == nil || *o.result.Status != i {
					t.Errorf("%d: %+v", i, o)
				}
			}
		}()
	}
	all.Wait()
}

func TestAReaderThatStopsDoesNotSlowOthersDown(t *testing.T) {
	const size = 100 << 20
	h := serving(t)
	r := h.start(object{"op": "exec", "argv": []string{"head", "-c", strconv.Itoa(size), "/dev/zero"}, "env": plainEnv, "cwd": "/"})
	// Nobody reads it; these are served all the same.
	for range 50 {
		h.run(shell("echo quick")).exited(t, 0)
	}
	if _, err := h.Ping(tooLong); err != nil {
		t.Error(err)
	}
	got := 0
	began := time.Now()
	for {
		m, err := r.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind == wire.EndType {
			break
		}
		if m.Kind == wire.DataType {
			got += len(m.Data)
		}
	}
	if got != size {
		t.Errorf("%d bytes", got)
	}
	t.Logf("%d MB in %v", size>>20, time.Since(began))
}

func BenchmarkExec(b *testing.B) {
	h := serving(b)
	order := object{"op": "exec", "argv": []string{"/bin/true"}, "env": plainEnv, "cwd": "/"}
	for b.Loop() {
		h.run(order)
	}
}

// BenchmarkStart is from the decision to start an agent to its hello.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p := startProgram(b, `{}`, asItIs)
		if p.Peer().Role != "agent" {
			b.Fatal("no hello")
		}
		b.StopTimer()
		_ = p.control.Close()
		<-p.done
		b.StartTimer()
	}
}
