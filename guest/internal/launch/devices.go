package launch

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// devices shows devices of the host, by name. Real root makes nodes of its own in one mount, which is root's, so that the
// sandbox's identity can change nothing in it; everybody else may only mount the host's, each by itself.
func (b *builder) devices(target string, mount plan.Mount) error {
	if err := makeFolder(target, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
			return err
		}
	}
	for _, name := range mount.Names {
		if err := b.device(path.Join(mount.Source, name), path.Join(target, name)); err != nil {
			return &os.PathError{Op: "show", Path: name, Err: err}
		}
	}
	return nil
}

func (b *builder) device(source, target string) error {
	var info unix.Stat_t
	if err := unix.Stat(source, &info); err != nil {
		return err
	}
	if os.Geteuid() == 0 && info.Mode&unix.S_IFMT == unix.S_IFCHR {
		if err := unix.Mknod(target, unix.S_IFCHR|0o666, int(info.Rdev)); !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	return b.bind(plan.Mount{Source: source, Devices: true}, target)
}

// mountTerminals gives the sandbox terminals of its own: another instance, which knows nothing of the host's.
func mountTerminals(target string) error {
	if err := makeFolder(target, 0o755); err != nil {
		return err
	}
	return unix.Mount("devpts", target, "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
}

// console shows the terminal on descriptor 0, which is of the host's instance, under a name that programs can find.
func (b *builder) console(target string) error {
	source, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return err
	}
	return b.bind(plan.Mount{Source: source, Devices: true}, target)
}
