// Package shim is the host side of a sandbox that stays: one process for each, which outlives the daemon. It starts the sandbox,
// speaks the guest protocol with its agent, keeps what its commands write, and serves any number of clients on a socket.
//
// It is started with its orders on descriptor 3: one message, a 4-byte little-endian length and then JSON.
//
//	{
//	  "runtime_dir": "/run/user/1000/agentkernel/ab12cd34",  exists, mode 0700, ours; its sockets and facts
//	  "log_dir": "<data>/sandboxes/<id>/log",                exists; output that is too long for memory
//	  "sandbox": "<id>",                                     without it, the name of the folder above log_dir
//	  "helper": "/path/of/this/program",                     what it starts; with mode none and a network, agentkernel-guest-net
//	  "mode": "launch-as-root" | "launch-as-user" | "none",  none: the agent as it is, without any isolation, for tests
//	  "prologue": {…}, "plan": {…},                          passed on to the launch helper, see package plan
//	  "agent_spec": {…},                                     the agent's own orders, with mode none
//	  "network": true,                                       the sandbox has an egress connection; the plan must say so too
//	  "restart": {"argv": […], "env": ["K=V"], "socket": "…", "lock": "…"},   how to start a daemon that crashed; optional
//	  "version": "0.20.0"
//	}
//
// On descriptor 4 it reports in lines of JSON: those of the launch helper and the agent as they come (package status), and last
// {"ready":true,"pid":N,"start_time":"…"} or {"error":…,"step":…,"errno":…,"detail":…}. Then it closes it.
//
// In runtime_dir it makes
//
//	shim.sock    where clients connect
//	egress.sock  with a network: where the gateway connects that decides what may leave the sandbox
//	shim.json    {"pid", "start_time", "boot_id", "sandbox"}, as long as it lives
//	ended.json   {"reason", "status"?, "signal"?, "detail"?, "at"}: how the sandbox ended; reason is "stopped" when somebody
//	             asked for it, "agent_lost" when its agent went or broke the protocol, "start_failed", else "ended"
//
// and holds a lock on the folder itself. SIGTERM stops the sandbox; SIGKILL takes it along.
package shim
