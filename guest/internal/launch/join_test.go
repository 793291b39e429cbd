package launch

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"agentkernel/guest/internal/plan"
)

var errRefused = errors.New("refused")

func refuseToJoin([]string) error { return errRefused }

func TestWithoutGroupsNothingIsJoined(t *testing.T) {
	if err := joinOrLimit(&plan.Plan{}, refuseToJoin); err != nil {
		t.Fatal(err)
	}
}

func TestARefusedGroupIsAnErrorWhenThePlanHasNoOtherLimits(t *testing.T) {
	if err := joinOrLimit(&plan.Plan{CgroupProcs: []string{"/group"}}, refuseToJoin); !errors.Is(err, errRefused) {
		t.Fatalf("err = %v", err)
	}
}

func TestFallbackLimitsTakeThePlaceOfThoseInTheOrdersAndNothingElseChanges(t *testing.T) {
	work := &plan.Plan{
		FallbackLimits: json.RawMessage(`[{"resource":2,"value":9007199254740993}]`),
		Spec:           json.RawMessage(`{"limits":[],"argv":["a","<&>"],"terminal":false}`),
	}
	if err := limitInstead(work); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(work.Spec, &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{"limits":[{"resource":2,"value":9007199254740993}],"argv":["a","<&>"],"terminal":false}`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("orders = %s", work.Spec)
	}
}
