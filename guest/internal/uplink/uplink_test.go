package uplink

import "testing"

func TestAProgramThatServesNoNetworkRefusesOne(t *testing.T) {
	if n, err := None(nil, "1"); n != nil || err != nil {
		t.Errorf("without one: %v, %v", n, err)
	}
	for _, arguments := range [][]string{{"5", "6"}, {"5", "-1"}, {"x"}} {
		if n, err := None(arguments, "1"); n != nil || err == nil {
			t.Errorf("%q: %v, %v", arguments, n, err)
		}
	}
}
