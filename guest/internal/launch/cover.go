package launch

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// inStage looks a name up as it will be looked up inside: links lead to what they name there, never to the host.
func (b *builder) inStage(name string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	return unix.Openat2(b.stageFD, name, &how)
}

// cover shows a file of the host read-only under a name, whatever bears that name. Where there is nothing yet, it is made in
// folders of our own only: a folder of the host gets no new file, so such a name is passed over.
func (b *builder) cover(mount plan.Mount) error {
	tree, err := b.take(plan.Mount{Source: mount.Source, ReadOnly: true})
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	target, err := b.inStage(mount.Target, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) {
		if err := b.makeEmpty(mount.Target); err != nil {
			if errors.Is(err, unix.EXDEV) {
				return nil
			}
			return err
		}
		target, err = b.inStage(mount.Target, unix.O_PATH)
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return unix.MoveMount(tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// makeEmpty makes an empty file, and the folders above it, in the stage itself. It fails with EXDEV where a mount is on the way.
func (b *builder) makeEmpty(name string) error {
	folder, err := b.ownFolder(path.Dir(name))
	if err != nil {
		return err
	}
	defer unix.Close(folder)
	fd, err := open(folder, path.Base(name), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o444)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (b *builder) ownFolder(name string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := unix.Openat2(b.stageFD, name, &how)
	if !errors.Is(err, unix.ENOENT) || name == "." || name == "/" {
		return fd, err
	}
	above, err := b.ownFolder(path.Dir(name))
	if err != nil {
		return -1, err
	}
	defer unix.Close(above)
	if err := unix.Mkdirat(above, path.Base(name), 0o755); err != nil {
		return -1, err
	}
	return unix.Openat2(b.stageFD, name, &how)
}
