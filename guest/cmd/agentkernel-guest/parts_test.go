package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	// The result of a test is remembered as long as what it is linked with stays the same: here that is all parts of both programs.
	_ "agentkernel/guest/internal/egress"
)

const module = "agentkernel/guest/"

// parts are all packages that a program is made of.
func parts(t *testing.T, command string) []string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", module+"cmd/"+command)
	list.Env = append(list.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	text, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// isNetwork tells whether a package is part of serving a network.
func isNetwork(part string) bool {
	return strings.HasPrefix(part, "gvisor.dev/") || slices.Contains([]string{
		module + "internal/egress", module + "internal/netstack", module + "internal/loopproxy",
	}, part)
}

// Every start of the small program would pay for it.
func TestOnlyTheProgramForSandboxesWithANetworkHasANetworkStack(t *testing.T) {
	for _, part := range parts(t, "agentkernel-guest") {
		if isNetwork(part) {
			t.Errorf("agentkernel-guest contains %s: hand it in from cmd/agentkernel-guest-net", part)
		}
	}
	if !slices.ContainsFunc(parts(t, "agentkernel-guest-net"), isNetwork) {
		t.Error("this test does not know a network stack when it sees one")
	}
}

// What is not there cannot be started from inside.
func TestTheProgramForInsideHasNothingThatIsForTheHost(t *testing.T) {
	inside := parts(t, "agentkernel-guest-net")
	for _, name := range []string{"launch", "shim", "keep", "scope"} {
		if part := module + "internal/" + name; slices.Contains(inside, part) {
			t.Errorf("agentkernel-guest-net contains %s", part)
		}
	}
}
