package inside

import (
	"sync"

	"golang.org/x/sys/unix"
)

// working guards the working directory of the process, which nothing else may use.
var working sync.Mutex

// In does the work with an open folder as the working directory of the whole process, for the few calls of the kernel that take a
// path but no folder. The work must use one name only, and must not wait.
func In(folder int, work func() error) error {
	working.Lock()
	defer working.Unlock()
	before, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(before)
	if err := unix.Fchdir(folder); err != nil {
		return err
	}
	err = work()
	if back := unix.Fchdir(before); back != nil {
		return back
	}
	return err
}
