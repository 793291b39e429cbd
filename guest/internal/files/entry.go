package files

import (
	"path"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// entry is one name in the file system, as the protocol tells it.
type entry struct {
	Name   string  `json:"name"`
	Path   string  `json:"path"`
	Type   string  `json:"type"`
	Size   int64   `json:"size"`
	Mode   uint32  `json:"mode"`
	UID    uint32  `json:"uid"`
	GID    uint32  `json:"gid"`
	Mtime  int64   `json:"mtime_ms"`
	Target *string `json:"target,omitempty"`
}

// mostNumber is the largest whole number that every reader of JSON keeps exact. A file may claim to be larger, or younger.
const mostNumber = 1<<53 - 1

func entryOf(where string, info unix.Stat_t) entry {
	const mostSeconds = mostNumber/1000 - 1
	e := entry{
		Name: path.Base(where), Path: where, Type: "other",
		Size: max(0, min(info.Size, mostNumber)), Mode: info.Mode & allModes, UID: info.Uid, GID: info.Gid,
		Mtime: max(-mostSeconds, min(info.Mtim.Sec, mostSeconds))*1000 + info.Mtim.Nsec/1e6,
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type = "file"
	case unix.S_IFDIR:
		e.Type = "dir"
	case unix.S_IFLNK:
		e.Type = "symlink"
	}
	return e
}

// read adds where the symlink leads.
func (e *entry) read(folder int, name string) {
	if e.Type != "symlink" {
		return
	}
	target, err := inside.ReadLink(folder, name)
	if err == nil {
		e.Target = &target
	}
}

func (f files) stat(_ *wire.Stream, r request) (any, error) {
	place, err := f.root.Place(r.Path, r.Follow == nil || *r.Follow)
	if err != nil {
		return nil, err
	}
	defer place.Close()
	pin, info, err := place.Pin()
	if err != nil {
		return nil, err
	}
	defer unix.Close(pin)
	e := entryOf(path.Clean(r.Path), info)
	e.read(pin, "")
	return map[string]entry{"entry": e}, nil
}
