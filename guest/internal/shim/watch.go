package shim

import (
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// firstLook is how long after a crash we look for a daemon, at least; the shims of many sandboxes do not all look at once.
	firstLook   = 50 * time.Millisecond
	firstSpread = 150 * time.Millisecond
	// acceptLimit is how long a daemon that we started may take until its socket accepts.
	acceptLimit = 5 * time.Second
	acceptPoll  = 10 * time.Millisecond
	// otherLimit is how long we wait for another shim that starts one.
	otherLimit = acceptLimit + time.Second
	otherPoll  = 50 * time.Millisecond
	// mostTries bounds how often we try, 1, 2, 4, … seconds apart and never more than longestPause.
	mostTries    = 10
	longestPause = time.Minute
)

// watch starts the daemon again when it has crashed. Sandboxes do not need it, but whoever uses them does.
type watch struct {
	restart *Restart
	closing chan struct{}

	mu      sync.Mutex
	daemons int // connected
	busy    bool
	closed  bool
}

func newWatch(restart *Restart) *watch {
	return &watch{restart: restart, closing: make(chan struct{})}
}

func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.closing)
	}
}

func (w *watch) arrived(role string) {
	if role != "daemon" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.daemons++
}

// left is told of every client that is gone. A daemon that leaves on purpose says BYE.
func (w *watch) left(role string, crashed bool) {
	if role != "daemon" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.daemons--
	if !crashed || w.restart == nil || w.busy || w.closed {
		return
	}
	w.busy = true
	go w.recover()
}

// recover tries until a daemon is connected, or has been there for a while without wanting anything of us.
func (w *watch) recover() {
	defer func() {
		w.mu.Lock()
		w.busy = false
		w.mu.Unlock()
	}()
	pause := firstLook + rand.N(firstSpread)
	for try := range mostTries {
		if within(pause, w.closing) || w.connected() {
			return
		}
		if w.restart.accepts() {
			// The first time it may be on its way down.
			if try > 0 {
				return
			}
		} else {
			w.restart.start(w.closing)
		}
		pause = min(time.Second<<try, longestPause)
	}
}

func (w *watch) connected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.daemons > 0
}

// accepts tells whether a daemon lives.
func (r *Restart) accepts() bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: r.Socket})
	// Its queue is full: it lives, and has much to do.
	return err == nil || errors.Is(err, unix.EAGAIN)
}

// start starts a daemon, unless another shim is about to, and returns when it accepts connections or does not come.
func (r *Restart) start(closing <-chan struct{}) {
	lock, err := unix.Open(r.Lock, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	// This also ends the lock.
	defer unix.Close(lock)
	if unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) != nil {
		r.awaitOther(lock, closing)
		return
	}
	if r.accepts() || r.spawn() != nil {
		return
	}
	for deadline := time.Now().Add(acceptLimit); !r.accepts() && time.Now().Before(deadline); {
		if within(acceptPoll, closing) {
			return
		}
	}
}

// awaitOther waits until whoever holds the lock has started a daemon or given up.
func (r *Restart) awaitOther(lock int, closing <-chan struct{}) {
	for deadline := time.Now().Add(otherLimit); time.Now().Before(deadline); {
		if within(otherPoll, closing) || unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) == nil {
			return
		}
	}
}

// spawn starts the daemon as nobody's child in particular. Whoever waits for our children buries it.
func (r *Restart) spawn() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(null)
	_, err = syscall.ForkExec(r.Argv[0], r.Argv, &syscall.ProcAttr{
		Dir: "/", Env: r.Env, Files: []uintptr{uintptr(null), uintptr(null), uintptr(null)},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	return err
}
