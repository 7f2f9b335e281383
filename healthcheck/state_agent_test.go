package healthcheck

import "testing"

// TestLastWordCounts: the reason of a server that is up is what was said of it last; an
// agent that is not there changes nothing, and holds no server out.
func TestLastWordCounts(t *testing.T) {
	rules := Rules{Rise: 2, Fall: 3}
	said := func(reason string, drain bool) Result {
		return Result{Outcome: Pass, Reason: reason, Advice: Advice{Drain: drain}}
	}
	absent := Result{Reason: "nobody there", Absent: true}
	var h Health
	for i, step := range []struct {
		result Result
		state  State
		reason string
		drain  bool
	}{
		{absent, Up, "nobody there", false},
		{said("up", false), Up, "up", false},
		{said("drain # text", true), Up, "drain # text", true},
		{absent, Up, "drain # text", true},
		{Result{Outcome: Inconclusive, Reason: "no descriptors"}, Up, "drain # text", true},
		{said("up", false), Up, "up", false},
		{Result{Outcome: Pass}, Up, "passed", false},
	} {
		h = h.Step(rules, step.result)
		if h.State != step.state || h.Reason != step.reason || h.Advice.Drain != step.drain {
			t.Errorf("step %d: %+v, want %+v", i, h, step)
		}
	}
	if h := (Health{}).Step(rules, Result{Outcome: Inconclusive, Reason: "no descriptors"}); h.Decided {
		t.Errorf("a probe that told nothing has decided: %+v", h)
	}
}
