package agent

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/pidone"
	"agentkernel/guest/internal/wire"
)

// child is a command that runs, and our ends of its streams.
type child struct {
	pid    int
	done   <-chan ended
	reaper *reaper
	// stdin is nil without one, stderr with a terminal, terminal without.
	stdin, stdout, stderr *os.File
	terminal              *terminal
	pumps                 sync.WaitGroup
}

// mayRunAs tells why a command may not run as that user. Everything here has one user, unless we are root with others below us.
func (a *agent) mayRunAs(user string) *wire.ErrorBody {
	switch user {
	case "":
		return nil
	case "root":
		if os.Geteuid() == 0 && manyUsers() {
			return nil
		}
		return &wire.ErrorBody{Code: "unsupported", Message: "this sandbox has no root"}
	}
	return invalid("user is not known")
}

// manyUsers tells whether more than one user exists here: in a namespace with one, its number means nothing.
func manyUsers() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	var inside, outside, count uint64
	at := 0
	for _, number := range []*uint64{&inside, &outside, &count} {
		for at < len(text) && text[at] == ' ' {
			at++
		}
		for at < len(text) && text[at] >= '0' && text[at] <= '9' {
			*number = *number*10 + uint64(text[at]-'0')
			at++
		}
	}
	return count > 1
}

// start starts a command, or says why not, in the protocol's words.
func (a *agent) start(o *order) (*child, *wire.ErrorBody) {
	if failure := checkFolder(o.Cwd); failure != nil {
		return nil, failure
	}
	program, stage, err := pidone.LookPath(o.Argv[0], o.Env, o.Cwd)
	if err != nil {
		return nil, startError(o.Argv[0], stage == "lookup", err)
	}
	c := &child{reaper: a.reaper}
	files, attr, err := c.streams(a, o)
	if err == nil {
		err = a.fork(c, program, o, files, attr)
	}
	closeAll(files, a.null)
	if err != nil {
		c.close()
		return nil, startError(o.Argv[0], false, err)
	}
	writeFile("/proc/"+strconv.Itoa(c.pid)+"/oom_score_adj", a.sacrifice)
	return c, nil
}

func checkFolder(cwd string) *wire.ErrorBody {
	info, err := os.Stat(cwd)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = unix.Access(cwd, unix.X_OK)
	}
	if err == nil {
		return nil
	}
	number := errnoOf(err)
	return &wire.ErrorBody{Code: "workdir_not_found", Message: "cannot start in " + cwd + ": " + number.Error(), Errno: int(number)}
}

func (a *agent) fork(c *child, program string, o *order, files []*os.File, attr *syscall.SysProcAttr) error {
	descriptors := make([]uintptr, len(files), len(files)+2)
	for i, file := range files {
		descriptors[i] = file.Fd()
	}
	env := o.Env
	if a.network != nil {
		env = a.network.Environment(env)
	}
	attributes := &syscall.ProcAttr{Dir: o.Cwd, Env: env, Files: descriptors, Sys: attr}
	run := func() (int, error) { return syscall.ForkExec(program, o.Argv, attributes) }
	var report *stageReport
	if a.orders.staged() {
		var err error
		if report, err = newStageReport(); err != nil {
			return err
		}
		defer report.close()
		attributes.Files = append(descriptors, uintptr(a.orders.fd), report.write.Fd())
		run = func() (int, error) { return syscall.ForkExec(ownProgram, stageArguments(program, o.Argv), attributes) }
	}
	var err error
	if c.pid, c.done, err = a.reaper.start(run); err != nil || report == nil {
		return err
	}
	if err := report.failure(); err != nil {
		<-c.done
		return err
	}
	return nil
}

// streams makes the command's descriptors 0, 1 and 2 and our ends of them.
func (c *child) streams(a *agent, o *order) ([]*os.File, *syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true}
	if o.TTY != nil {
		master, slave, err := openTerminal(*o.TTY)
		if err != nil {
			return nil, attr, err
		}
		c.terminal, c.stdout = master, master.file
		if o.Stdin {
			c.stdin = master.file
		}
		attr.Setctty = true
		return []*os.File{slave, slave, slave}, attr, nil
	}
	files := []*os.File{a.null}
	var err error
	if o.Stdin {
		var read *os.File
		if read, c.stdin, err = pipe(false); err != nil {
			return nil, attr, err
		}
		files[0] = read
	}
	for _, end := range []**os.File{&c.stdout, &c.stderr} {
		var write *os.File
		if *end, write, err = pipe(true); err != nil {
			return files, attr, err
		}
		files = append(files, write)
	}
	return files, attr, nil
}

// pipe makes a pipe; our end of it, the one that is read or the other, waits without keeping a thread. The command's end must not:
// it would find a descriptor that does not block.
func pipe(weRead bool) (read, write *os.File, err error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	ours := 1
	if weRead {
		ours = 0
	}
	_ = unix.SetNonblock(fds[ours], true)
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

func closeAll(files []*os.File, but *os.File) {
	for i, file := range files {
		if file != but && (i == 0 || file != files[i-1]) {
			_ = file.Close()
		}
	}
}

// close gives our ends of the streams back. What reads or writes there returns.
func (c *child) close() {
	for _, file := range []*os.File{c.stdin, c.stdout, c.stderr} {
		if file != nil {
			_ = file.Close()
		}
	}
}

// terminate asks the command's group to end.
func (c *child) terminate() {
	_ = syscall.Kill(-c.pid, syscall.SIGTERM)
	if c.terminal != nil {
		// A shell on a terminal ends for this one only.
		_ = syscall.Kill(-c.pid, syscall.SIGHUP)
	}
	// A stopped process hears nothing until it goes on.
	_ = syscall.Kill(-c.pid, syscall.SIGCONT)
}

// outlive returns when nothing of the command's group is left. The command itself has ended.
func (c *child) outlive(patience <-chan time.Time) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	giveUp := time.After(politeTime + time.Second)
	for syscall.Kill(-c.pid, 0) == nil {
		select {
		case <-look.C:
		case <-patience:
			c.kill()
		case <-giveUp:
			return
		}
	}
}

// kill ends the command's group, and its session: jobs of a shell have groups of their own.
func (c *child) kill() {
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	killWhere(func(p process) bool { return p.session == c.pid })
}

// sacrifice is what makes the kernel prefer a command to us when memory runs out: without us everything in the sandbox ends.
func sacrifice() []byte {
	const much, most = 500, 1000
	var room [16]byte
	ours, _ := strconv.Atoi(strings.TrimSpace(string(readFile("/proc/self/oom_score_adj", room[:]))))
	return strconv.AppendInt(nil, int64(min(ours+much, most)), 10)
}

func errnoOf(err error) syscall.Errno {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return syscall.EIO
}

// startError puts a failed start into the protocol's words. absent: no such program was found.
func startError(name string, absent bool, err error) *wire.ErrorBody {
	number := errnoOf(err)
	body := &wire.ErrorBody{Message: name + ": " + number.Error(), Errno: int(number)}
	switch {
	case absent:
		body.Code, body.Message = "command_not_found", name+": command not found"
	case number == syscall.ENOENT || number == syscall.ENOTDIR || number == syscall.ELOOP:
		// The file was there a moment ago, so what does not exist is the interpreter it names.
		body.Code, body.Message = "command_not_executable", name+": its interpreter does not exist"
	case number == syscall.EACCES || number == syscall.EPERM || number == syscall.ENOEXEC || number == syscall.EISDIR ||
		number == syscall.E2BIG || number == syscall.ETXTBSY || number == syscall.EINVAL:
		body.Code = "command_not_executable"
	default:
		body.Code = "io"
	}
	return body
}
