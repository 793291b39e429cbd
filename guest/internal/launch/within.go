package launch

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// applyWithin works below a folder whose content other people can change while we look at it. Each step opens the
// parent without following a symlink and then acts by name below that descriptor, so that nothing outside is touched.
func (b *builder) applyWithin(mount plan.Mount) error {
	root, err := unix.Open(path.Join(b.stage, mount.Within), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	parent, err := unix.Openat2(root, "./"+path.Dir(mount.Target), &how)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	name := path.Base(mount.Target)
	switch mount.Kind {
	case "remove", "file":
		err := unix.Unlinkat(parent, name, 0)
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EOVERFLOW) {
			// A folder of somebody else, or of a group that has no number here: what cannot be removed is covered.
			return b.coverWithText(parent, name, mount.Data)
		}
		if err != nil || mount.Kind == "remove" {
			return err
		}
		return b.createFile(parent, name, mount)
	case "bind":
		return b.coverWithTree(mount, parent, name)
	default:
		return fmt.Errorf("unknown step %q below %s", mount.Kind, mount.Within)
	}
}

// createFile writes new content under the name of a file that was there.
func (b *builder) createFile(parent int, name string, mount plan.Mount) error {
	fd, err := unix.Openat(parent, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mount.Mode)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if mount.Owned {
		owner := b.owner()
		if err := unix.Fchown(fd, owner.UID, owner.GID); err != nil {
			return err
		}
	}
	for rest := []byte(mount.Data); len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// coverWithTree mounts a clone over an existing name.
func (b *builder) coverWithTree(mount plan.Mount, parent int, name string) error {
	tree, err := b.take(mount)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return moveOver(tree, parent, name)
}

// coverWithText mounts a read-only file of ours over an existing name.
func (b *builder) coverWithText(parent int, name, text string) error {
	file, err := os.CreateTemp(b.stage, "cover-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Chmod(0o444); err != nil {
		return err
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, file.Name(), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cover %s: %w", strconv.Quote(name), err)
	}
	defer unix.Close(tree)
	if err := b.setAttributes(tree, plan.Mount{ReadOnly: true}); err != nil {
		return err
	}
	return moveOver(tree, parent, name)
}

func moveOver(tree, parent int, name string) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	target, err := unix.Openat2(parent, name, &how)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	flags := unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if err := unix.MoveMount(tree, "", target, "", flags); err != nil {
		return fmt.Errorf("cover %s: %w", strconv.Quote(name), err)
	}
	return nil
}
