package launch

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
	"agentkernel/guest/internal/status"
	"agentkernel/guest/internal/trees"
)

// overlay stacks a private upper layer over a folder of the host. Redirects and indexes stay off: both would make the
// kernel follow attributes that the workload can write into the upper layer. Where there is no overlay for us, the files
// are copied into the upper layer, and the host is told.
func (b *builder) overlay(target string, mount plan.Mount) error {
	if err := makeFolder(target, 0o755); err != nil {
		return err
	}
	lower, upper := path.Join(b.stage, mount.Lower), path.Join(b.stage, mount.Upper)
	options := "lowerdir=" + lower + ",upperdir=" + upper + "/upper,workdir=" + upper + "/work,volatile"
	if b.work.DropTo == nil {
		// User attributes rule redirects and the rest out by themselves.
		options += ",userxattr"
	} else {
		options += ",redirect_dir=nofollow,index=off,metacopy=off"
	}
	step, reason := "id map", b.unmapped
	if reason == nil {
		step, reason = "overlay", unix.EOPNOTSUPP
		if !mount.NoOverlay {
			reason = unix.Mount("overlay", target, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options)
		}
		if reason == nil || errors.Is(reason, unix.ENOSPC) {
			return reason
		}
	}
	if err := b.copy(lower, upper+"/upper"); err != nil {
		return err
	}
	status.Send(status.Line{Copied: true, Step: step, Detail: reason.Error()})
	return unix.Mount(upper+"/upper", target, "", unix.MS_BIND, "")
}

func (b *builder) copy(source, target string) error {
	fd, err := open(unix.AT_FDCWD, source, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	owner := b.owner()
	return trees.Copy{To: trees.Owner{UID: owner.UID, GID: owner.GID}}.Copy(fd, target)
}
