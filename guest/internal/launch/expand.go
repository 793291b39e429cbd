package launch

import (
	"os"
	"path"
	"strings"

	"agentkernel/guest/internal/plan"
)

// smallFile is the most bytes of a file that are taken over instead of mounted: every mount makes the start slower.
const smallFile = 128 << 10

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
	switch {
	case err != nil:
		return nil
	case info.IsDir() || (info.Mode().IsRegular() && info.Size() > smallFile):
		return []plan.Mount{{Kind: "bind", Source: source, Target: target, ReadOnly: true, Optional: true}}
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0:
		// What not everybody may read does not become readable because root took it over.
		return nil
	}
	return []plan.Mount{{Kind: "copy", Source: source, Target: target, Mode: 0o644}}
}
