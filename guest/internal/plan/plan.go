// Package plan is the work order the host gives to the launch helper on descriptor 3: two messages, the prologue and the
// plan, each a 4-byte little-endian length and then JSON. What follows there belongs to process 1 (see package pidone).
package plan

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"agentkernel/guest/internal/jsontext"
)

// ControlFD carries prologue and plan and, after them, control messages for process 1.
const ControlFD = 3

// maxBytes bounds a plan; arguments of a command may hold a few megabytes.
const maxBytes = 64 << 20

// Prologue is what every sandbox has. It comes first, so that the helper works while the host still decides on the rest.
type Prologue struct {
	// Stage is an existing directory that a private tmpfs is mounted over, which then becomes the root. It is never above
	// anything that a later step shows.
	Stage string `json:"stage"`
	// Mounts are done in order, below Stage.
	Mounts []Mount `json:"mounts"`
	// IDMap maps owners of files on the host to owners seen through mounts with Map set.
	IDMap []IDRange `json:"idMap"`
}

// Plan is everything else that happens between the host and bubblewrap. The host has checked it; the helper only obeys.
type Plan struct {
	// CgroupProcs are the files that "0" is written to, one for each controller.
	CgroupProcs []string `json:"cgroupProcs"`
	// FallbackLimits take the place of the spec's limits when the groups cannot be joined; without any, that is an error.
	FallbackLimits json.RawMessage `json:"fallbackLimits,omitempty"`
	// Mounts are done in order, after those of the prologue.
	Mounts []Mount `json:"mounts"`
	// Terminal means that the streams are a private terminal.
	Terminal bool `json:"terminal"`
	// Detach are folders of the stage that served to build it and are unmounted before anything runs.
	Detach []string `json:"detach"`
	// DropTo is the unprivileged host identity of the sandbox, when we start as root.
	DropTo *Identity `json:"dropTo"`
	// IDMap takes the place of the prologue's, when the project turned out to be somebody else's.
	IDMap []IDRange `json:"idMap"`
	// Bwrap is the path of bubblewrap and Args its arguments, without those for descriptors.
	Bwrap string   `json:"bwrap"`
	Args  []string `json:"args"`
	// Seccomp is the filter program, base64 in JSON.
	Seccomp []byte `json:"seccomp"`
	// Init is the path of process 1 inside the sandbox, Mode what it is there, and Spec its orders.
	Init string          `json:"init"`
	Mode InitMode        `json:"mode,omitempty"`
	Spec json.RawMessage `json:"spec"`
	// Network is the way out that the sandbox has. The host always says it, so that a helper that does not know of it, and would leave
	// the sandbox in the host's network, refuses the plan.
	Network Network `json:"network"`
}

// Network says how the programs of a sandbox reach the gateway at the other end of the egress connection.
type Network struct {
	// Egress says that there is a way out. Without one the only interface is the loopback.
	Egress bool `json:"egress"`
	// TUN asks for a network device, so that every program can. Where none can be made, and when it is false, process 1 offers a
	// proxy on the loopback.
	TUN bool `json:"tun"`
	// Ports says that the host publishes ports of this sandbox. With InitMode RunsOnce PortsFD goes down to process 1, whose orders
	// say so too; an agent is asked on its own socket.
	Ports bool `json:"ports"`
}

// EgressFD is the socket of the egress connection: it comes after the agent's, or in its place where there is no agent.
func (p *Plan) EgressFD() int {
	if p.Mode == Stays {
		return SocketFD + 1
	}
	return SocketFD
}

// InitMode is what process 1 is.
type InitMode string

const (
	// RunsOnce starts one command and ends with it. It is meant when nothing is said.
	RunsOnce InitMode = "init"
	// Stays serves the guest protocol on the socket that is handed through to it.
	Stays InitMode = "agent"
	// Apart is not process 1: it serves one command of a sandbox that stays, which has a network of its own.
	Apart InitMode = "agent-apart"
)

// SocketFD is the agent's socket, from where the sandbox is started down to process 1.
const SocketFD = 5

// PortsFD is the connection on which the host asks for servers in a sandbox that runs once.
const PortsFD = 6

// Identity is a user and a group of the host.
type Identity struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// IDRange is one line of an id map.
type IDRange struct {
	Inside  int `json:"inside"`
	Outside int `json:"outside"`
	Count   int `json:"count"`
	// Groups is true for a line about groups; without any, groups are mapped like users.
	Groups bool `json:"groups,omitempty"`
}

// Mount is one step of building the stage. Target is relative to the stage.
type Mount struct {
	// Kind is one of bind, cover, tmpfs, overlay, dir, file, symlink, remove, show, showMatching, devices, devpts,
	// console; and copy, which a small file of show becomes.
	Kind   string `json:"kind"`
	Target string `json:"target"`
	// Within makes Target relative to this folder of the stage and refuses symlinks on the way.
	Within string `json:"within,omitempty"`
	// Source is a host path, for bind and for cover, which shows a file in the place of one that is there; for devices: the folder whose Names are shown; for show: the one whose Names are
	// shown read-only, each as what it is; for showMatching: the one whose entries with one of the Prefixes are.
	Source string `json:"source,omitempty"`
	// ReadOnly and Map apply to bind; Map shows the files under the sandbox's own identity.
	ReadOnly bool `json:"readOnly,omitempty"`
	Map      bool `json:"map,omitempty"`
	// Exact refuses a symlink anywhere in Source: the host resolved it, so one that is there now was put there since.
	Exact bool `json:"exact,omitempty"`
	// Shallow binds one file system without the mounts below it; Devices lets it show device files.
	Shallow bool `json:"shallow,omitempty"`
	Devices bool `json:"devices,omitempty"`
	// Lower and Upper are folders of the stage, for overlay; Upper holds "upper" and "work".
	Lower string `json:"lower,omitempty"`
	Upper string `json:"upper,omitempty"`
	// NoOverlay makes an overlay step copy, as it does where the kernel has none: for trying that out.
	NoOverlay bool `json:"noOverlay,omitempty"`
	// Size bounds a tmpfs, in bytes; NoExec forbids programs in it.
	Size   int64 `json:"size,omitempty"`
	NoExec bool  `json:"noExec,omitempty"`
	// Mode applies to tmpfs, dir and file; Owned gives it to the sandbox's identity.
	Mode  uint32 `json:"mode,omitempty"`
	Owned bool   `json:"owned,omitempty"`
	// Data is the content of a file or the target of a symlink.
	Data     string   `json:"data,omitempty"`
	Names    []string `json:"names,omitempty"`
	Prefixes []string `json:"prefixes,omitempty"`
	// Optional lets a step fail because its source or target does not exist.
	Optional bool `json:"optional,omitempty"`
}

// ErrDiscarded means that the host decided not to run anything after all.
var ErrDiscarded = errors.New("discarded")

// Message is a *Prologue or a *Plan.
type Message interface{ decode(r *jsontext.Reader) }

// Read takes the next message from the control descriptor, and not one byte more.
func Read(message Message) error {
	return readFrom(rawReader(ControlFD), message)
}

func readFrom(control io.Reader, message Message) error {
	var header [4]byte
	if _, err := io.ReadFull(control, header[:]); err != nil {
		if err == io.EOF {
			return ErrDiscarded
		}
		return fmt.Errorf("read length: %w", err)
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length == 0 || length > maxBytes {
		return fmt.Errorf("length %d is out of range", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(control, text); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	return Decode(text, message)
}

// Decode takes a message from its text.
func Decode(text []byte, message Message) error {
	parser := jsontext.New(text)
	message.decode(parser)
	if err := parser.End(); err != nil {
		return fmt.Errorf("parse message: %w", err)
	}
	return nil
}

// rawReader reads a descriptor without owning it: an os.File would close it when collected.
type rawReader int

func (fd rawReader) Read(buffer []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), buffer)
		if err == syscall.EINTR {
			continue
		}
		if n == 0 && err == nil {
			return 0, io.EOF
		}
		return max(n, 0), err
	}
}
