package files

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
)

// tempPrefix begins the names that exist while something is made or removed. A watch does not tell of them.
const tempPrefix = ".agentkernel-tmp-"

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// withTemp makes something under a name that nobody has.
func withTemp(work func(name string) error) (string, error) {
	for {
		name := tempPrefix + strconv.FormatUint(rand.Uint64(), 36)
		if err := work(name); err != unix.EEXIST {
			return name, err
		}
	}
}

// temp is a new file beside the one that it will become.
type temp struct {
	folder int
	name   string
	fd     int
}

// newTemp makes an empty file that nobody else may read yet.
func newTemp(folder int) (*temp, error) {
	t := &temp{folder: folder}
	var err error
	t.name, err = withTemp(func(name string) (err error) {
		t.fd, err = inside.OpenAt(folder, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// become gives the file its mode and its name.
func (t *temp) become(name string, mode uint32) error {
	if err := unix.Fchmod(t.fd, mode); err != nil {
		return err
	}
	if err := unix.Renameat(t.folder, t.name, t.folder, name); err != nil {
		return err
	}
	t.name = ""
	return nil
}

// close removes the file unless it has become another.
func (t *temp) close() {
	_ = unix.Close(t.fd)
	if t.name != "" {
		_ = unix.Unlinkat(t.folder, t.name, 0)
	}
}
