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

// builder is the state of making one stage.
type builder struct {
	stage string
	// stageFD is the stage as a descriptor.
	stageFD int
	// work is the plan, nil during the prologue.
	work *plan.Plan
	// idRanges is the id map, and idMap a user namespace that holds it, -1 until needed.
	idRanges []plan.IDRange
	idMap    int
	// carriers are processes that carried an id map.
	carriers []int
	// buffer is for files that are copied.
	buffer []byte
	// unmapped says why the project's file system cannot be id-mapped: then it is copied.
	unmapped error
}

// beginStage makes the mount tree private, mounts the stage and does the steps of the prologue. On failure it names the
// step.
func beginStage(prologue plan.Prologue) (*builder, string, error) {
	b := &builder{stage: prologue.Stage, idRanges: prologue.IDMap, idMap: -1}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, "private mounts", err
	}
	mounts, err := expand(prologue.Mounts)
	if err != nil {
		return nil, "look at the host", err
	}
	if err := unix.Mount("tmpfs", b.stage, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=16m"); err != nil {
		return nil, "stage", err
	}
	if b.stageFD, err = open(unix.AT_FDCWD, b.stage, unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return nil, "stage", err
	}
	if step, err := b.applyAll(mounts); err != nil {
		return nil, step, err
	}
	// There is time now: the host still decides what will run.
	if len(b.idRanges) > 0 && b.idMap < 0 {
		if b.idMap, err = b.openIDMap(b.idRanges); err != nil {
			return nil, "id map", err
		}
	}
	return b, "", nil
}

// finish does the steps of the plan and makes the stage the root.
func (b *builder) finish(work *plan.Plan) (string, error) {
	b.work = work
	if len(work.IDMap) > 0 {
		b.idRanges, b.idMap = work.IDMap, -1
	}
	if step, err := b.applyAll(work.Mounts); err != nil {
		return step, err
	}
	b.reapCarriers()
	return b.becomeRoot()
}

func (b *builder) applyAll(mounts []plan.Mount) (string, error) {
	for _, mount := range mounts {
		if err := b.apply(mount); err != nil {
			if mount.Optional && (absentWithin(err) || (mount.Within == "" && absent(err))) {
				continue
			}
			return mount.Kind + " " + mount.Target, err
		}
	}
	return "", nil
}

// becomeRoot makes the stage the root of this mount namespace, read-only, and lets go of everything else: from here on the host's
// files do not exist for us, and bubblewrap has few mounts to walk through.
func (b *builder) becomeRoot() (string, error) {
	for _, folder := range b.work.Detach {
		if err := unix.Unmount(path.Join(b.stage, folder), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return "detach " + folder, err
		}
	}
	if err := os.Chdir(b.stage); err != nil {
		return "enter stage", err
	}
	// Old and new root in one place: the old one is then on top and can be taken off.
	if err := unix.PivotRoot(".", "."); err != nil {
		return "pivot root", err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return "detach host", err
	}
	if err := os.Chdir("/"); err != nil {
		return "enter root", err
	}
	// Here this is one system call; bubblewrap would look through all mounts for it.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr); err != nil {
		return "read-only root", err
	}
	return "", nil
}

// absent tells the failures that an optional step may have: nothing there to show, or no room for a convenience.
func absent(err error) bool {
	for _, number := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EEXIST, unix.EROFS, unix.EACCES} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

// absentWithin is the same below a folder of other people, where only what is not there may be passed over: a file that
// could not be covered for any other reason would be seen.
func absentWithin(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

func (b *builder) apply(mount plan.Mount) error {
	if mount.Within != "" {
		return b.applyWithin(mount)
	}
	target := path.Join(b.stage, mount.Target)
	// Targets that come from the caller's paths may pass through links of the stage; none may lead out of it.
	if mount.Optional {
		if err := b.inside(target); err != nil {
			return err
		}
	}
	switch mount.Kind {
	case "dir":
		return b.makeDir(target, mount)
	case "file":
		return b.makeFile(target, mount)
	case "copy":
		return b.copyFile(mount.Source, target, mount.Mode)
	case "symlink":
		return b.makeSymlink(target, mount)
	case "bind":
		return b.bind(mount, target)
	case "cover":
		return b.cover(mount)
	case "devices":
		return b.devices(target, mount)
	case "devpts":
		return mountTerminals(target)
	case "console":
		return b.console(target)
	case "tmpfs":
		return b.tmpfs(target, mount)
	case "overlay":
		return b.overlay(target, mount)
	default:
		return fmt.Errorf("unknown step %q", mount.Kind)
	}
}

// inside fails when an existing folder above target is, through links, not in the stage.
func (b *builder) inside(target string) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	for folder := path.Dir(target); len(folder) > len(b.stage); folder = path.Dir(folder) {
		fd, err := unix.Openat2(b.stageFD, folder[len(b.stage)+1:], &how)
		switch {
		case err == nil:
			return unix.Close(fd)
		case errors.Is(err, unix.EXDEV):
			return fmt.Errorf("%q leads out of the stage", target)
		case !errors.Is(err, unix.ENOENT):
			return err
		}
	}
	return nil
}

func (b *builder) owner() plan.Identity {
	if b.work.DropTo != nil {
		return *b.work.DropTo
	}
	return plan.Identity{UID: os.Getuid(), GID: os.Getgid()}
}

func (b *builder) own(target string, mount plan.Mount) error {
	if !mount.Owned {
		return nil
	}
	owner := b.owner()
	return os.Lchown(target, owner.UID, owner.GID)
}

func (b *builder) makeDir(target string, mount plan.Mount) error {
	if err := makeFolder(target, mount.Mode); err != nil {
		return err
	}
	if err := unix.Chmod(target, mount.Mode); err != nil {
		return err
	}
	return b.own(target, mount)
}

func (b *builder) makeFile(target string, mount plan.Mount) error {
	if err := writeFile(target, []byte(mount.Data), mount.Mode); err != nil {
		return err
	}
	return b.own(target, mount)
}

func (b *builder) makeSymlink(target string, mount plan.Mount) error {
	err := unix.Symlink(mount.Data, target)
	if errors.Is(err, unix.ENOENT) {
		if err := makeFolder(path.Dir(target), 0o755); err != nil {
			return err
		}
		err = unix.Symlink(mount.Data, target)
	}
	if err != nil {
		return err
	}
	return b.own(target, mount)
}

func (b *builder) tmpfs(target string, mount plan.Mount) error {
	if err := makeFolder(target, 0o755); err != nil {
		return err
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if mount.NoExec {
		flags |= unix.MS_NOEXEC
	}
	options := "mode=" + strconv.FormatUint(uint64(mount.Mode), 8)
	if mount.Size > 0 {
		options += ",size=" + strconv.FormatInt(mount.Size, 10)
	}
	if err := unix.Mount("tmpfs", target, "tmpfs", flags, options); err != nil {
		return err
	}
	return b.own(target, mount)
}
