package pidone

import (
	"testing"

	"golang.org/x/sys/unix"
)

// keep puts a limit of this process back when the test is over.
func keep(t *testing.T, resource int) unix.Rlimit {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(resource, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(resource, &before) })
	return before
}

func TestLimitsAreSetSoftAndHardAlike(t *testing.T) {
	before := keep(t, unix.RLIMIT_CORE)
	if before.Max < 4096 {
		t.Skip("this process may not have core files of 4096 bytes")
	}
	if err := SetLimits([]Limit{{Resource: unix.RLIMIT_CORE, Value: 4096}}); err != nil {
		t.Fatal(err)
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &now); err != nil || now.Cur != 4096 || now.Max != 4096 {
		t.Fatalf("limit = %+v, %v", now, err)
	}
}

func TestALimitIsNeverRaised(t *testing.T) {
	before := keep(t, unix.RLIMIT_CORE)
	lowered := min(before.Max, 8192)
	if err := SetLimits([]Limit{{unix.RLIMIT_CORE, lowered}, {unix.RLIMIT_CORE, lowered + 1<<20}}); err != nil {
		t.Fatal(err)
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &now); err != nil || now.Max != lowered || now.Cur != lowered {
		t.Fatalf("limit = %+v, %v", now, err)
	}
}

func TestAResourceThatDoesNotExistIsRefused(t *testing.T) {
	if err := SetLimits([]Limit{{Resource: 9999, Value: 1}}); err != unix.EINVAL {
		t.Fatalf("error = %v", err)
	}
	if err := SetLimits(nil); err != nil {
		t.Fatal(err)
	}
}
