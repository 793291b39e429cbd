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

func TestTheAgentsSocketGoesDownOnlyWhereThereIsOne(t *testing.T) {
	plain := []uintptr{0, 1, 2, 3, 4}
	for _, arguments := range [][]string{{"agentkernel-guest", "launch-as-user"}, {"agentkernel-guest", "launch-as-user", "anything"}, {}} {
		if got := inherited(arguments); !slices.Equal(got, plain) {
			t.Errorf("%q: %v", arguments, got)
		}
	}
	if got := inherited([]string{"agentkernel-guest", "launch-as-user", WithSocket}); !slices.Equal(got, append(plain, plan.SocketFD)) {
		t.Errorf("with a socket: %v", got)
	}
}
