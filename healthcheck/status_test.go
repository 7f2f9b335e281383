package healthcheck_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/healthcheck"
)

func TestWordsRoundTripInJSON(t *testing.T) {
	type words struct {
		S []healthcheck.State
		O []healthcheck.Outcome
	}
	want := words{
		[]healthcheck.State{healthcheck.Down, healthcheck.Up, healthcheck.Degraded},
		[]healthcheck.Outcome{healthcheck.Inconclusive, healthcheck.Pass, healthcheck.Fail},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got words
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", text, diff)
	}
	for _, bad := range []string{`{"S":["sideways"]}`, `{"O":["maybe"]}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
