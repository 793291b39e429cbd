package launch

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

// smallFile is the most bytes of a file that are taken over instead of mounted: every mount makes the start slower.
const smallFile = 128 << 10

// smallFolder is the size of a folder with few entries on the usual file systems; a larger one is not even looked into.
const smallFolder = 4096

// expand turns the steps that show files of the host into plain ones, by what each file is now. It runs before the stage
// covers anything. What does not exist or cannot be read is not shown.
func expand(mounts []plan.Mount) ([]plan.Mount, error) {
	expanded := make([]plan.Mount, 0, len(mounts)+16)
	for _, mount := range mounts {
		switch mount.Kind {
		case "show":
			for _, name := range mount.Names {
				expanded = append(expanded, show(path.Join(mount.Source, name), path.Join(mount.Target, name))...)
			}
		case "showMatching":
			entries, err := os.ReadDir(mount.Source)
			if err != nil && !absent(err) {
				return nil, err
			}
			for _, entry := range entries {
				if hasPrefix(entry.Name(), mount.Prefixes) {
					expanded = append(expanded, show(path.Join(mount.Source, entry.Name()), path.Join(mount.Target, entry.Name()))...)
				}
			}
		default:
			expanded = append(expanded, mount)
		}
	}
	return expanded, nil
}

func hasPrefix(name string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func show(source, target string) []plan.Mount {
	if !strings.Contains(target, "/") {
		// Top-level names such as /bin are symlinks on most systems and must stay so: programs compare paths.
		if link, err := os.Readlink(source); err == nil {
			// Relative: while the root is being built, an absolute link would lead to the host.
			return []plan.Mount{{Kind: "symlink", Target: target, Data: strings.TrimPrefix(link, "/")}}
		}
	}
	info, err := os.Stat(source)
	if err == nil && info.IsDir() && info.Size() <= smallFolder && strings.Contains(target, "/") {
		left := fewEntries
		if steps, ok := smallTree(source, target, &left); ok {
			return steps
		}
	}
	switch {
	case err != nil:
		return nil
	case info.IsDir() || (info.Mode().IsRegular() && info.Size() > smallFile):
		return []plan.Mount{{Kind: "bind", Source: source, Target: target, ReadOnly: true, Optional: true}}
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0:
		// What not everybody may read does not become readable because root took it over.
		return nil
	}
	data, err := readFile(source)
	if err != nil {
		return nil
	}
	return []plan.Mount{{Kind: "file", Target: target, Data: string(data), Mode: 0o644}}
}

// fewEntries is the most files and folders of a tree that is taken over instead of mounted. A file costs a few system calls;
// a mount is copied, walked through and taken down again by everyone on the way to the command, which is some twenty files.
const fewEntries = 16

// smallTree takes over a folder of a few small files, with the folders in it. ok is false for every other one, programs and
// symlinks among them, and for one that not everybody may look into.
func smallTree(source, target string, left *int) (steps []plan.Mount, ok bool) {
	names, ok := fewNames(source, left)
	if !ok {
		return nil, false
	}
	steps = []plan.Mount{{Kind: "dir", Target: target, Mode: 0o755}}
	for _, name := range names {
		from, to := path.Join(source, name), path.Join(target, name)
		var info unix.Stat_t
		if err := unix.Lstat(from, &info); err != nil {
			return nil, false
		}
		switch kind := info.Mode & unix.S_IFMT; {
		case kind == unix.S_IFDIR && info.Mode&0o005 == 0o005:
			below, ok := smallTree(from, to, left)
			if !ok {
				return nil, false
			}
			steps = append(steps, below...)
		case kind == unix.S_IFREG && info.Mode&0o111 == 0 && info.Size <= smallFile:
			steps = append(steps, show(from, to)...)
		default:
			return nil, false
		}
	}
	return steps, true
}

// fewNames returns what is in a folder, and takes that many from left; ok is false when there are more.
func fewNames(folder string, left *int) (names []string, ok bool) {
	fd, err := open(unix.AT_FDCWD, folder, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	var buffer [2048]byte
	for {
		n, err := unix.ReadDirent(fd, buffer[:])
		if err != nil {
			return nil, false
		}
		if n == 0 {
			*left -= len(names)
			return names, true
		}
		// One more than is allowed, so that too many show.
		_, _, names = unix.ParseDirent(buffer[:n], *left+1-len(names), names)
		if len(names) > *left {
			return nil, false
		}
	}
}
