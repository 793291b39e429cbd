package enter

import (
	"encoding/json"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/plan"
)

func TestOnlyWhatIsNeededLaterIsPickedFromAPlan(t *testing.T) {
	text := `{"cgroupProcs":["/g"],"mounts":[{"kind":"file","target":"t","data":"secret"}],"terminal":false,"detach":[],"dropTo":{"uid":7,"gid":8},
		"bwrap":"/b","args":["--x"],"seccomp":"AQI=","init":"/i","mode":"agent","spec":{"version":"1"},"network":{"egress":true,"tun":true,"ports":false}}`
	picked, err := Orders([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var work plan.Plan
	if err := plan.Decode(picked, &work); err != nil {
		t.Fatalf("%s: %v", picked, err)
	}
	if len(work.Mounts) > 0 || work.Bwrap != "" || len(work.Args) > 0 || work.Init != "/i" || work.DropTo.GID != 8 || len(work.Seccomp) != 2 ||
		string(work.Spec) != `{"version":"1"}` || work.CgroupProcs[0] != "/g" || !work.Network.TUN {
		t.Errorf("%+v", work)
	}
	for _, bad := range []string{"", "[]", `{"init":`, `{"init":"/i"}x`} {
		if got, err := Orders([]byte(bad)); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestFiltersThatAreNone(t *testing.T) {
	if filter, err := filterOf(nil); filter != nil || err != nil {
		t.Errorf("%v, %v", filter, err)
	}
	for _, size := range []int{1, 7, 9, 8 * 4097} {
		if _, err := filterOf(make([]byte, size)); err == nil {
			t.Errorf("%d bytes", size)
		}
	}
	if filter, err := filterOf([]byte{6, 0, 0, 0, 0, 0, 0xff, 0x7f}); err != nil || filter.Len != 1 || filter.Filter.K != unix.SECCOMP_RET_ALLOW {
		t.Errorf("%+v, %v", filter, err)
	}
}

func TestLimitsTakeThePlaceOfThoseInTheOrders(t *testing.T) {
	got, err := withLimits(json.RawMessage(`{"limits":[],"version":"1"}`), json.RawMessage(`[{"resource":7,"value":77}]`))
	if err != nil || string(got) != `{"limits":[{"resource":7,"value":77}],"version":"1"}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestCapabilitiesAreBits(t *testing.T) {
	if got := capabilities(0, 31, 32, unix.CAP_WAKE_ALARM); got != (capabilitySet{1 | 1<<31, 1 | 1<<3}) {
		t.Errorf("%x", got)
	}
}
