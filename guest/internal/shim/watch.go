package shim

import (
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pace is how patient a watch is.
type pace struct {
	// first is how long after a crash we look for a daemon, at least; with up to spread more, the shims of many sandboxes do not
	// all look at once.
	first, spread time.Duration
	// accept is how long a daemon that we started may take until its socket accepts.
	accept time.Duration
	// other is how long we wait for another shim that starts one.
	other time.Duration
	// poll is how often we look meanwhile.
	poll time.Duration
	// tries bounds how often we try, with pauses that double from pause on up to longest.
	tries          int
	pause, longest time.Duration
}

var usualPace = pace{
	first: 50 * time.Millisecond, spread: 150 * time.Millisecond,
	accept: 5 * time.Second, other: 6 * time.Second, poll: 10 * time.Millisecond,
	tries: 10, pause: time.Second, longest: time.Minute,
}

// watch starts the daemon again when it has crashed. Sandboxes do not need it, but whoever uses them does.
type watch struct {
	restart *Restart
	pace    pace
	closing chan struct{}

	mu      sync.Mutex
	daemons int // connected
	busy    bool
	closed  bool
}

func newWatch(restart *Restart, pace pace) *watch {
	return &watch{restart: restart, pace: pace, closing: make(chan struct{})}
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
	wait, pause := w.pace.first+rand.N(w.pace.spread), w.pace.pause
	for try := range w.pace.tries {
		if within(wait, w.closing) || w.connected() {
			return
		}
		if w.restart.accepts() {
			// The first time it may be on its way down.
			if try > 0 {
				return
			}
		} else {
			w.start()
		}
		wait, pause = pause, min(2*pause, w.pace.longest)
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
func (w *watch) start() {
	lock, err := unix.Open(w.restart.Lock, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	// This also ends the lock.
	defer unix.Close(lock)
	if unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) != nil {
		w.awaitOther(lock)
		return
	}
	if w.restart.accepts() || w.restart.spawn() != nil {
		return
	}
	for deadline := time.Now().Add(w.pace.accept); !w.restart.accepts() && time.Now().Before(deadline); {
		if within(w.pace.poll, w.closing) {
			return
		}
	}
}

// awaitOther waits until whoever holds the lock has started a daemon or given up.
func (w *watch) awaitOther(lock int) {
	for deadline := time.Now().Add(w.pace.other); time.Now().Before(deadline); {
		if within(w.pace.poll, w.closing) || unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) == nil {
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
