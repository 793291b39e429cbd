package launch

import (
	"fmt"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// bind puts a clone of its source in place, which is made to fit: a folder or a file.
func (b *builder) bind(mount plan.Mount, target string) error {
	tree, err := b.take(mount)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	var info unix.Stat_t
	if err := unix.Fstat(tree, &info); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := makeFolder(target, 0o755); err != nil {
			return err
		}
	} else if err := writeFile(target, nil, 0o644); err != nil {
		return err
	}
	return unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// take clones a bind source with the attributes it is shown with.
func (b *builder) take(mount plan.Mount) (int, error) {
	tree, err := cloneTree(mount)
	if err != nil {
		return -1, err
	}
	if err := b.setAttributes(tree, mount); err != nil {
		_ = unix.Close(tree)
		return -1, err
	}
	return tree, nil
}

func cloneTree(mount plan.Mount) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_RECURSIVE)
	if mount.Shallow {
		flags &^= unix.AT_RECURSIVE
	}
	if !mount.Exact {
		return unix.OpenTree(unix.AT_FDCWD, mount.Source, flags)
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	source, err := unix.Openat2(unix.AT_FDCWD, mount.Source, &how)
	if err != nil {
		return -1, err
	}
	defer unix.Close(source)
	return unix.OpenTree(source, "", flags|unix.AT_EMPTY_PATH)
}

func (b *builder) setAttributes(tree int, mount plan.Mount) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if !mount.Devices {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if mount.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("set attributes: %w", err)
	}
	if !mount.Map || len(b.idRanges) == 0 {
		return nil
	}
	if b.idMap < 0 {
		fd, err := b.openIDMap(b.idRanges)
		if err != nil {
			return fmt.Errorf("id map: %w", err)
		}
		b.idMap = fd
	}
	mapped := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(b.idMap)}
	err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &mapped)
	if err != nil && mount.ReadOnly {
		// Not every file system can. What is only looked at is then seen as it is; the project is copied (see overlay).
		if mount.Exact {
			b.unmapped = err
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("this file system cannot show its files as the sandbox's own: %w", err)
	}
	return nil
}
