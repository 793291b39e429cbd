package files

import (
	"math/rand/v2"
	"strconv"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

func (f files) remove(stream *wire.Stream, r request) (any, error) {
	place, err := f.root.Place(r.Path, false)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	if err := place.Named(); err != nil {
		return nil, err
	}
	pin, info, err := place.Pin()
	if err != nil {
		return nil, err
	}
	_ = unix.Close(pin)
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nothing{}, unix.Unlinkat(place.Folder, place.Name, 0)
	}
	if !r.Recursive {
		return nothing{}, unix.Unlinkat(place.Folder, place.Name, unix.AT_REMOVEDIR)
	}
	return nothing{}, removeTree(stream.Canceled(), place.Folder, place.Name)
}

// removeTree removes whatever has that name, with all that is in it.
func removeTree(canceled <-chan struct{}, folder int, name string) error {
	removal := removal{canceled: canceled, owner: unix.Geteuid(), top: -1}
	return removal.folder(folder, name, 0)
}

const (
	// mostLevels is how many folders are open at once. What is deeper is moved up first, so that neither descriptors nor the
	// stack grow with the depth.
	mostLevels = 32
	// mostRounds is how often a folder is emptied that others fill meanwhile.
	mostRounds = 64
)

// removal removes a tree by descriptors, while others may change it: only what is in a folder that we hold open is removed, and no
// symlink is followed.
type removal struct {
	canceled <-chan struct{}
	// owner is who we are: of others' folders we leave the mode alone.
	owner int
	// top is the folder that is removed, -1 before it is open.
	top int
	// raised says that something was moved up since it was last asked.
	raised bool
}

// folder removes a folder and all that is in it.
func (r *removal) folder(parent int, name string, level int) error {
	fd, err := r.enter(parent, name)
	switch err {
	case nil:
	case unix.ENOENT:
		return nil
	case unix.ENOTDIR, unix.ELOOP:
		// Something else has taken its name.
		return gone(unix.Unlinkat(parent, name, 0))
	default:
		return err
	}
	defer unix.Close(fd)
	if level == 0 {
		r.top = fd
	}
	for round := 0; round < mostRounds; round++ {
		if err := r.empty(fd, level); err != nil {
			return err
		}
		if level == 0 && r.raised {
			r.raised, round = false, 0
		}
		err = gone(unix.Unlinkat(parent, name, unix.AT_REMOVEDIR))
		if err != unix.ENOTEMPTY && err != unix.EEXIST {
			break
		}
	}
	if err == unix.ENOTDIR {
		return gone(unix.Unlinkat(parent, name, 0))
	}
	return err
}

// gone makes a success of what others have removed already.
func gone(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// enter opens a folder. One of ours whose mode is in the way gets another.
func (r *removal) enter(parent int, name string) (int, error) {
	pin, err := inside.OpenAt(parent, name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pin)
	if err := inside.RefuseKernel(pin); err != nil {
		return -1, err
	}
	var info unix.Stat_t
	if err := unix.Fstat(pin, &info); err != nil {
		return -1, err
	}
	if info.Mode&0o700 != 0o700 && int(info.Uid) == r.owner {
		// Without success the folder may still be empty.
		_ = inside.Chmod(pin, parent, name, info.Mode&allModes|0o700)
	}
	fd, err := inside.OpenAt(pin, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == unix.EACCES && unix.Unlinkat(parent, name, unix.AT_REMOVEDIR) == nil {
		return -1, unix.ENOENT
	}
	return fd, err
}

// empty removes what is in an open folder, and goes on after a failure: the first is returned.
func (r *removal) empty(fd, level int) error {
	names := inside.ReadNames(fd, 8<<10)
	first := names.Again()
	for {
		piece, err := names.Next()
		if err != nil || len(piece) == 0 {
			if first == nil {
				first = err
			}
			return first
		}
		for _, name := range piece {
			select {
			case <-r.canceled:
				return wire.ErrCanceled
			default:
			}
			if err := r.one(fd, name, level); err != nil && first == nil {
				first = err
			}
		}
	}
}

func (r *removal) one(fd int, name string, level int) error {
	err := unix.Unlinkat(fd, name, 0)
	if err != unix.EISDIR && err != unix.EPERM {
		return gone(err)
	}
	if level+1 < mostLevels {
		return r.folder(fd, name, level+1)
	}
	return r.raise(fd, name)
}

// raise moves a folder that is too deep to the top, where the next round finds it.
func (r *removal) raise(fd int, name string) error {
	r.raised = true
	to := tempPrefix + strconv.FormatUint(rand.Uint64(), 36)
	err := unix.Renameat(fd, name, r.top, to)
	if err != unix.EACCES {
		return gone(err)
	}
	// A folder that gets another parent must be writable itself.
	open, err := r.enter(fd, name)
	if err != nil {
		return gone(err)
	}
	_ = unix.Close(open)
	return gone(unix.Renameat(fd, name, r.top, to))
}
