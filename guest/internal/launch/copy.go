package launch

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// copyTree copies folders, regular files and symlinks; sockets, FIFOs and devices stay behind. It is the way out where
// the kernel has no overlay. Blocks are shared with the original where the file system can.
func copyTree(source, target string, owner plan.Identity) error {
	return filepath.WalkDir(source, func(from string, entry os.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, os.ErrPermission) {
				return skip(entry)
			}
			return err
		}
		relative, err := filepath.Rel(source, from)
		if err != nil {
			return err
		}
		to := filepath.Join(target, relative)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case info.IsDir():
			// Writable for us while we fill it; the workload owns it afterwards.
			if err := os.MkdirAll(to, info.Mode().Perm()|0o700); err != nil {
				return err
			}
		case info.Mode()&os.ModeSymlink != 0:
			link, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(link, to); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			if err := copyFile(from, to, info.Mode().Perm()); err != nil {
				if errors.Is(err, os.ErrPermission) {
					return nil
				}
				return err
			}
		default:
			return nil
		}
		return os.Lchown(to, owner.UID, owner.GID)
	})
}

func skip(entry os.DirEntry) error {
	if entry != nil && entry.IsDir() {
		return filepath.SkipDir
	}
	return nil
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return out.Close()
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
