package scope

const (
	unitName = "agentkernel.scope"
	// How long the manager waits at logout before it kills what is left, in µs. Nothing in there has anything to save.
	stopTimeout = 5_000_000

	errUnitExists = "org.freedesktop.systemd1.UnitExists"
)

func managerCall(member, signature string, body *encoder) call {
	return call{
		destination: "org.freedesktop.systemd1",
		path:        "/org/freedesktop/systemd1",
		iface:       "org.freedesktop.systemd1.Manager",
		member:      member,
		signature:   signature,
		body:        body.bytes,
	}
}

// startScope orders the unit, with one process in it. A name that is taken is an error of the name errUnitExists.
func startScope(keeper int) call {
	body := &encoder{}
	body.text(unitName)
	body.text("fail")
	text := func(name, value string) {
		body.property(name, "s", func() { body.text(value) })
	}
	body.array(8, func() {
		text("Description", "Sandboxes of agentkernel")
		// Said, so that the group's path is known without asking.
		text("Slice", sliceName)
		body.property("Delegate", "b", func() { body.uint32(1) })
		// Without this, a scope whose processes were killed would stay and keep its name.
		text("CollectMode", "inactive-or-failed")
		body.property("TimeoutStopUSec", "t", func() { body.uint64(stopTimeout) })
		body.property("PIDs", "au", func() { body.array(4, func() { body.uint32(uint32(keeper)) }) })
	})
	body.array(8, func() {})
	return managerCall("StartTransientUnit", "ssa(sv)a(sa(sv))", body)
}

// attach orders a process to be moved into a group below the unit's.
func attach(pid int) call {
	body := &encoder{}
	body.text(unitName)
	body.text("/" + launchGroup)
	body.array(4, func() { body.uint32(uint32(pid)) })
	return managerCall("AttachProcessesToUnit", "ssau", body)
}
