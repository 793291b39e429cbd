package launch

import (
	"slices"
	"testing"

	"agentkernel/guest/internal/plan"
)

func TestProcess1IsWhatThePlanSays(t *testing.T) {
	for mode, want := range map[plan.InitMode]string{"": "init", plan.RunsOnce: "init", plan.Stays: "agent"} {
		if got, err := initMode(mode); got != want || err != nil {
			t.Errorf("%q: %q, %v", mode, got, err)
		}
	}
	if got, err := initMode("launch-as-root"); err == nil {
		t.Errorf("another mode of this program is taken: %q", got)
	}
}

func TestOnlyNamedDescriptorsGoDown(t *testing.T) {
	plain := []uintptr{0, 1, 2, 3, 4}
	for _, arguments := range [][]string{{"agentkernel-guest", "launch-as-user"}, {"agentkernel-guest", "launch-as-user", "anything"}, {}} {
		if got := inherited(arguments); !slices.Equal(got, plain) {
			t.Errorf("%q: %v", arguments, got)
		}
	}
	for _, c := range []struct {
		named []string
		want  []uintptr
	}{
		{[]string{WithSocket}, append(plain, plan.SocketFD)},
		{[]string{WithEgress}, append(plain, uintptr((&plan.Plan{}).EgressFD()))},
		{[]string{WithEgress, WithPorts}, append(plain, uintptr((&plan.Plan{}).EgressFD()), plan.PortsFD)},
		{[]string{WithSocket, WithEgress}, append(plain, plan.SocketFD, uintptr((&plan.Plan{Mode: plan.Stays}).EgressFD()))},
	} {
		if got := inherited(append([]string{"agentkernel-guest", "launch-as-user"}, c.named...)); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v", c.named, got)
		}
	}
}
