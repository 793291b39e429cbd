package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// containMode is what this test program does as process 1: it mounts /proc and becomes the agent.
const containMode = "contain"

func contain() {
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("proc", "/proc", "proc", 0, "")
	}
	if err == nil {
		err = isolation(os.Args[4]).become()
	}
	if err == nil {
		err = syscall.Exec(os.Args[2], []string{"agentkernel-guest", "agent", os.Args[3]}, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "contain:", err)
	os.Exit(1)
}

// isolated are attributes of a process that is the first in a namespace of processes, as agents are.
func isolated() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	return attr
}

// isolation is how a program is started.
type isolation string

const (
	// asItIs is without a namespace.
	asItIs isolation = ""
	// first is as process 1, as the user who runs the test.
	first isolation = "first"
	// asNobody is as process 1 and as a user who owns nothing, if the test is root.
	asNobody isolation = "nobody"
)

func (as isolation) become() error {
	const nobody = 65534
	if as != asNobody || os.Getuid() != 0 || !manyUsers() {
		return nil
	}
	return errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody))
}

// contained starts the program as process 1.
func contained(t testing.TB, orders string) *program { return containedAs(t, orders, first) }

func containedAs(t testing.TB, orders string, as isolation) *program {
	t.Helper()
	p := startProgram(t, orders, as)
	if line := p.firstLine(); line != `{"code":0,"started":true}` {
		t.Fatalf("it said %q", line)
	}
	return p
}

func TestTheProgramServesAndSaysWhoItIs(t *testing.T) {
	p := startProgram(t, `{"limits":[],"version":"1.2.3","later":{"a":[1]}}`, asItIs)
	if line := p.firstLine(); line != `{"code":0,"started":true}` {
		t.Fatalf("it said %q", line)
	}
	if peer := p.Peer(); peer.Role != "agent" || peer.Version != "1.2.3" || !peer.Has("exec") || peer.Has("log") {
		t.Errorf("%+v", peer)
	}
	if o := p.run(shell(`echo $SECRET; exit 3`)).exited(t, 3); o.stdout != "\n" {
		t.Errorf("%q", o.stdout)
	}
}

func TestOrdersThatMakeNoSenseEndTheProgramWithAReason(t *testing.T) {
	for _, orders := range []string{``, `{`, `[]`, `{"limits":5}`, `{"seccomp":"not base64!"}`} {
		p := startProgram(t, orders, asItIs)
		if line := p.firstLine(); !strings.Contains(line, `"error":"launch","step":"orders"`) {
			t.Errorf("%q: it said %q", orders, line)
		}
		if how := receive(t, p.done, "the program"); how.status.ExitStatus() != gone {
			t.Errorf("%q: it ended with %v", orders, how.status)
		}
	}
}

func TestWhenTheHostIsGoneNothingIsLeft(t *testing.T) {
	for name, leave := range map[string]func(*program){
		"the control pipe ends":    func(p *program) { _ = p.control.Close() },
		"the connection ends":      func(p *program) { p.Close() },
		"the host breaks the rule": func(p *program) { _, _ = p.Open(object{"op": "exec", "argv": 1}); p.Close() },
	} {
		p := startProgram(t, `{}`, asItIs)
		r := p.start(shell(`setsid sleep 1000 & echo $!; exec sleep 1000`))
		child := pidIn(t, r)
		leave(p)
		if how := receive(t, p.done, name); how.status.ExitStatus() != gone {
			t.Errorf("%s: %v", name, how.status)
		}
		eventually(t, "all are gone", func() bool { return !lives(r.pid) && !lives(child) })
	}
}

func TestShutdownEndsEverythingAndSaysSo(t *testing.T) {
	for name, start := range map[string]func() *program{
		"process 1": func() *program { return contained(t, `{}`) },
		"another":   func() *program { return startProgram(t, `{}`, asItIs) },
	} {
		p := start()
		polite := p.start(shell(`trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done`))
		polite.until("ready")
		deaf := p.start(shell(`trap '' TERM HUP; setsid sh -c 'trap "" TERM HUP; echo ready; exec sleep 1000'`))
		deaf.until("ready")
		s := p.open(object{"op": "shutdown", "grace_ms": 300})
		if o := polite.finish(); o.stdout != "bye\n" || o.result.Ended != "exited" {
			t.Errorf("%s: %+v", name, o)
		}
		if late := p.refused(shell("true")); late.Code != "refused" {
			t.Errorf("%s: %+v", name, late)
		}
		if o := deaf.finish(); o.result.Signal != int(syscall.SIGKILL) {
			t.Errorf("%s: %+v", name, o)
		}
		if m, err := s.Recv(); err != nil || string(m.Data) != "{}" {
			t.Errorf("%s: %s %v", name, m.Data, err)
		}
		if err := receive(t, p.ended, "BYE"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if how := receive(t, p.done, "the program"); how.status.ExitStatus() != 0 {
			t.Errorf("%s: it ended with %v", name, how.status)
		}
	}
}

func TestShutdownWithoutGraceKills(t *testing.T) {
	p := contained(t, `{}`)
	for _, order := range []object{{"op": "shutdown"}, {"op": "shutdown", "grace_ms": -1}, {"op": "shutdown", "grace_ms": 1 << 40}} {
		if got := p.refused(order); got.Code != "invalid" {
			t.Errorf("%+v", got)
		}
	}
	r := p.start(shell(`trap 'echo bye' TERM; sleep 1000 & wait`))
	s := p.open(object{"op": "shutdown", "grace_ms": 0})
	if o := r.finish(); o.result.Signal != int(syscall.SIGKILL) || o.stdout != "" {
		t.Errorf("%+v", o)
	}
	if _, err := s.Recv(); err != nil {
		t.Error(err)
	}
}

// attacks are what a workload of the same user tries on process 1; each exits with 0 when it got nowhere.
var attacks = map[string]func() int{
	"signals": func() int {
		for number := 1; number <= 64; number++ {
			_ = syscall.Kill(1, syscall.Signal(number))
			// siginfo that says it is not from a user: number, errno, code SI_QUEUE.
			info := [32]int32{int32(number), 0, -1}
			queueSignal(1, number, &info)
		}
		return 0
	},
	"memory": func() int {
		for _, path := range []string{"/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/auxv", "/proc/1/stack"} {
			if file, err := os.Open(path); err == nil {
				if n, err := file.Read(make([]byte, 1)); n > 0 || err == nil {
					fmt.Println(path, "can be read")
					return 1
				}
			}
		}
		if err := os.WriteFile("/proc/1/mem", []byte{0}, 0); err == nil {
			fmt.Println("/proc/1/mem can be written")
			return 1
		}
		return 0
	},
	"descriptors": func() int {
		if names, err := os.ReadDir("/proc/1/fd"); err == nil {
			fmt.Println("/proc/1/fd shows", names)
			return 1
		}
		for fd := range 32 {
			if file, err := os.Open("/proc/1/fd/" + strconv.Itoa(fd)); err == nil {
				fmt.Println("opened", file.Name())
				return 1
			}
		}
		pidfd, err := unix.PidfdOpen(1, 0)
		if err != nil {
			return 0
		}
		if fd, err := unix.PidfdGetfd(pidfd, 5, 0); err == nil {
			fmt.Println("took its socket as", fd)
			return 1
		}
		return 0
	},
	"trace": func() int {
		if err := syscall.PtraceAttach(1); err == nil {
			fmt.Println("traces process 1")
			return 1
		}
		local := []unix.Iovec{{Base: new(byte), Len: 1}}
		if _, err := unix.ProcessVMReadv(1, local, []unix.RemoteIovec{{Base: 0x400000, Len: 1}}, 0); err == nil {
			fmt.Println("reads its memory")
			return 1
		}
		return 0
	},
	"getppid": func() int {
		_, _, errno := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		return int(errno)
	},
}

// attack is the order for one of them: this test program, in the sandbox.
func attack(t *testing.T, name string) object {
	t.Helper()
	program := filepath.Join(filepath.Dir(builtProgram), "attack")
	return object{"op": "exec", "argv": []string{program}, "env": []string{"AGENT_TEST_ATTACK=" + name}, "cwd": "/"}
}

func TestAWorkloadOfTheSameUserGetsNowhereWithProcess1(t *testing.T) {
	p := containedAs(t, `{}`, asNobody)
	if o := p.run(shell(`tr '\0' ' ' </proc/1/cmdline`)).exited(t, 0); o.stdout != "agentkernel-guest agent 6 " {
		t.Fatalf("process 1 is %q", o.stdout)
	}
	for _, name := range []string{"signals", "memory", "descriptors", "trace"} {
		o := p.run(attack(t, name)).exited(t, 0)
		if o.stdout != "" {
			t.Errorf("%s: %s", name, o.stdout)
		}
	}
	p.run(shell("true")).exited(t, 0)
	if _, err := p.Ping(tooLong); err != nil {
		t.Errorf("it does not live: %v", err)
	}
}

func TestTheAgentHasNoPrivilegeAndItsCommandsGetNone(t *testing.T) {
	p := contained(t, `{}`)
	// Every thread, seen from outside.
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(p.pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{p.run(shell("cat /proc/thread-self/status")).exited(t, 0).stdout}
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/task/" + task.Name() + "/status")
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if !strings.Contains(text, set+":\t0000000000000000\n") && !(set == "CapBnd" && os.Geteuid() != 0) {
				t.Errorf("%s is not empty:\n%s", set, text)
			}
		}
		if !strings.Contains(text, "NoNewPrivs:\t1\n") {
			t.Errorf("privileges can be gained:\n%s", text)
		}
	}
}

func TestRootIsThereOnlyWhereItIsMoreThanAName(t *testing.T) {
	p := contained(t, `{}`)
	order := shell("id -u", object{"user": "root"})
	if os.Geteuid() == 0 && manyUsers() {
		if o := p.run(order).exited(t, 0); o.stdout != "0\n" {
			t.Errorf("%q", o.stdout)
		}
		return
	}
	if got := p.refused(order); got.Code != "unsupported" {
		t.Errorf("%+v", got)
	}
}

func TestAnIdleAgentIsSmallAndABuiltOneToo(t *testing.T) {
	const most = 10 << 20
	info, err := os.Stat(builtProgram)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := contained(t, `{}`)
	p.Peer()
	started := time.Since(began)
	fresh := rssOf(t, p.pid)
	for range 300 {
		p.run(shell("echo hello; echo hello >&2")).exited(t, 0)
	}
	used := rssOf(t, p.pid)
	eventually(t, "what was used is given back", func() bool { return rssOf(t, p.pid) <= most })
	t.Logf("program %d kB; start %v; %d kB fresh, %d kB after 300 commands, then %d kB",
		info.Size()>>10, started, fresh>>10, used>>10, rssOf(t, p.pid)>>10)
	if info.Size() > most || fresh > most {
		t.Errorf("too large: %d, %d", info.Size(), fresh)
	}
}

func rssOf(t testing.TB, pid int) int64 {
	t.Helper()
	p, found := look(pid)
	if !found {
		t.Fatal("it is gone")
	}
	return p.rss
}

func TestLimitsAndAFilterHoldForCommandsOnly(t *testing.T) {
	// load number; is it getppid? then EPERM, else allowed.
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_GETPPID},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	var packed []byte
	for _, one := range code {
		packed = append(packed, byte(one.Code), byte(one.Code>>8), one.Jt, one.Jf, byte(one.K), byte(one.K>>8), byte(one.K>>16), byte(one.K>>24))
	}
	orders, err := json.Marshal(object{"seccomp": packed, "limits": []object{{"resource": unix.RLIMIT_CORE, "value": 4096}}})
	if err != nil {
		t.Fatal(err)
	}
	p := contained(t, string(orders))
	p.run(attack(t, "getppid")).exited(t, int(unix.EPERM))
	o := p.run(shell(`grep -h Seccomp: /proc/$$/status /proc/1/status; ulimit -c; ls /proc/self/fd | tr '\n' ' '; exit 8`, object{"env": append(plainEnv, "POSIXLY_CORRECT=1")})).exited(t, 8)
	if !strings.Contains(o.stdout, "Seccomp:\t2\n") || !strings.Contains(o.stdout, "\n8\n0 1 2 3 ") {
		t.Errorf("%q", o.stdout)
	}
	if got := p.refused(object{"op": "exec", "argv": []string{"/bin/sh", strings.Repeat("x", 200_000)}, "env": plainEnv, "cwd": "/"}); got.Code != "command_not_executable" {
		t.Errorf("%+v", got)
	}
	bad := t.TempDir() + "/bad"
	if err := os.WriteFile(bad, []byte("#!/no/such\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := p.refused(shell("x", object{"argv": []string{bad}})); got.Code != "command_not_executable" || got.Errno != int(unix.ENOENT) {
		t.Errorf("%+v", got)
	}
	// On a terminal and with input it is the same command.
	if o := p.run(shell(`stty size; exit 5`, onTerminal())).exited(t, 5); o.stdout != "37 91\r\n" {
		t.Errorf("%q", o.stdout)
	}
}
