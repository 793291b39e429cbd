package agent

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reaper waits for every process that ends here, ours and orphans alike. A command is started and a process is reaped under one
// lock, so that no command ends before it is known, and no signal goes to a number that has a new owner.
type reaper struct {
	mu       sync.Mutex
	children map[int]chan<- ended
	// begun counts commands; changed tells of a new one, and that none is left.
	begun   uint64
	changed *sync.Cond
	alone   bool
	// orphaned says that a process ended, maybe after we saw that there is none.
	orphaned bool
}

// ended is how a process ended.
type ended struct {
	status syscall.WaitStatus
	// maxRSS is in bytes.
	maxRSS int64
}

func newReaper() *reaper {
	r := &reaper{children: make(map[int]chan<- ended), alone: true}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// start starts a process with fork, which returns its number.
func (r *reaper) start(fork func() (int, error)) (pid int, done <-chan ended, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pid, err = fork(); err != nil {
		return 0, nil, err
	}
	ch := make(chan ended, 1)
	r.children[pid] = ch
	r.begun++
	r.alone = false
	r.changed.Broadcast()
	return pid, ch, nil
}

// signalGroup sends a signal to the group that the command leads, unless the command has ended.
func (r *reaper) signalGroup(pid int, number syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, lives := r.children[pid]; lives {
		_ = syscall.Kill(-pid, number)
	}
}

// run never returns.
func (r *reaper) run() {
	for {
		r.mu.Lock()
		begun := r.begun
		r.mu.Unlock()
		// Only looked at: until it is reaped, its number has no new owner.
		pid, err := nextEnded()
		r.mu.Lock()
		switch {
		case err == unix.ECHILD:
			for r.begun == begun && !r.orphaned {
				if !r.alone {
					r.alone = true
					r.changed.Broadcast()
				}
				r.changed.Wait()
			}
			r.orphaned = false
		case err == nil:
			r.reap(pid)
		}
		r.mu.Unlock()
	}
}

// heed wakes run for orphans that had no parent of ours: the commands of another agent, which was killed.
func (r *reaper) heed() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		r.mu.Lock()
		r.orphaned = true
		r.changed.Broadcast()
		r.mu.Unlock()
	}
}

func nextEnded() (int, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		// The process comes after three numbers, aligned to eight bytes.
		return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16))), err
	}
}

// reap takes the process away. A child that failed to exec was taken by the one who forked it.
func (r *reaper) reap(pid int) {
	var how ended
	var usage syscall.Rusage
	taken, err := syscall.Wait4(pid, &how.status, syscall.WNOHANG, &usage)
	if err != nil || taken != pid {
		return
	}
	how.maxRSS = usage.Maxrss * 1024
	if done, ours := r.children[pid]; ours {
		delete(r.children, pid)
		done <- how
	}
}

// awaitNone waits until no process is left but us, and tells whether that came within the limit.
func (r *reaper) awaitNone(limit time.Duration) bool {
	late := false
	timer := time.AfterFunc(limit, func() {
		r.mu.Lock()
		late = true
		r.changed.Broadcast()
		r.mu.Unlock()
	})
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.alone && !late {
		r.changed.Wait()
	}
	return r.alone
}
