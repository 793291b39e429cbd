package plan

import (
	"encoding/base64"

	"agentkernel/guest/internal/jsontext"
)

// A field that is missing here is a mistake in every message that has it, so that none is forgotten.

func (p *Prologue) decode(r *jsontext.Reader) {
	r.Object(func(name string) {
		switch name {
		case "stage":
			p.Stage = r.String()
		case "mounts":
			p.Mounts = mounts(r)
		case "idMap":
			p.IDMap = idMap(r)
		default:
			r.Unknown(name)
		}
	})
}

func (p *Plan) decode(r *jsontext.Reader) {
	r.Object(func(name string) {
		switch name {
		case "cgroupProcs":
			p.CgroupProcs = r.Strings()
		case "fallbackLimits":
			p.FallbackLimits = r.Raw()
		case "mounts":
			p.Mounts = mounts(r)
		case "terminal":
			p.Terminal = r.Bool()
		case "detach":
			p.Detach = r.Strings()
		case "dropTo":
			p.DropTo = &Identity{}
			p.DropTo.decode(r)
		case "idMap":
			p.IDMap = idMap(r)
		case "bwrap":
			p.Bwrap = r.String()
		case "args":
			p.Args = r.Strings()
		case "seccomp":
			filter, err := base64.StdEncoding.DecodeString(r.String())
			if err != nil {
				r.Unknown(name)
			}
			p.Seccomp = filter
		case "init":
			p.Init = r.String()
		case "mode":
			p.Mode = InitMode(r.String())
		case "spec":
			p.Spec = r.Raw()
		case "network":
			p.Network.decode(r)
		default:
			r.Unknown(name)
		}
	})
}

func (n *Network) decode(r *jsontext.Reader) {
	r.Object(func(name string) {
		switch name {
		case "egress":
			n.Egress = r.Bool()
		case "tun":
			n.TUN = r.Bool()
		case "ports":
			n.Ports = r.Bool()
		default:
			r.Unknown(name)
		}
	})
}

func (i *Identity) decode(r *jsontext.Reader) {
	r.Object(func(name string) {
		switch name {
		case "uid":
			i.UID = int(r.Int())
		case "gid":
			i.GID = int(r.Int())
		default:
			r.Unknown(name)
		}
	})
}

func idMap(r *jsontext.Reader) []IDRange {
	var ranges []IDRange
	r.Array(func() {
		var line IDRange
		r.Object(func(name string) {
			switch name {
			case "inside":
				line.Inside = int(r.Int())
			case "outside":
				line.Outside = int(r.Int())
			case "count":
				line.Count = int(r.Int())
			case "groups":
				line.Groups = r.Bool()
			default:
				r.Unknown(name)
			}
		})
		ranges = append(ranges, line)
	})
	return ranges
}

func mounts(r *jsontext.Reader) []Mount {
	all := make([]Mount, 0, 48)
	r.Array(func() {
		all = append(all, Mount{})
		mount := &all[len(all)-1]
		r.Object(func(name string) { mount.field(name, r) })
	})
	return all
}

func (m *Mount) field(name string, r *jsontext.Reader) {
	switch name {
	case "kind":
		m.Kind = r.String()
	case "target":
		m.Target = r.String()
	case "within":
		m.Within = r.String()
	case "source":
		m.Source = r.String()
	case "readOnly":
		m.ReadOnly = r.Bool()
	case "map":
		m.Map = r.Bool()
	case "exact":
		m.Exact = r.Bool()
	case "shallow":
		m.Shallow = r.Bool()
	case "devices":
		m.Devices = r.Bool()
	case "lower":
		m.Lower = r.String()
	case "upper":
		m.Upper = r.String()
	case "noOverlay":
		m.NoOverlay = r.Bool()
	case "size":
		m.Size = r.Int()
	case "noExec":
		m.NoExec = r.Bool()
	case "mode":
		m.Mode = uint32(r.Uint())
	case "owned":
		m.Owned = r.Bool()
	case "data":
		m.Data = r.String()
	case "names":
		m.Names = r.Strings()
	case "prefixes":
		m.Prefixes = r.Strings()
	case "optional":
		m.Optional = r.Bool()
	default:
		r.Unknown(name)
	}
}
