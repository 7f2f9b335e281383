package healthcheck

import (
	"fmt"
	"time"

	"usher/vrrp/timespan"
)

// Rules are what a check's results are counted by.
type Rules struct {
	Rise       int           // passes in a row that bring it up; less than 1 counts as 1
	Fall       int           // failures in a row that take it down; less than 1 counts as 1
	Slow       time.Duration // a slower pass is degraded; 0 for never
	SlowWeight int           // percent of the weight while slow
}

// Rules are the check's own. A continuous check counts by itself: each of its
// reports decides.
func (c *Check) Rules() Rules {
	r := Rules{Rise: c.Rise, Fall: c.Fall, Slow: c.Slow, SlowWeight: c.SlowWeight}
	if c.Type.Continuous() {
		r.Rise, r.Fall = 1, 1
	}
	return r
}

// Health is one check of one server as its results have left it. It is a
// comparable value; the zero value is a check that has no result yet.
type Health struct {
	State   State
	Decided bool   // a result has decided; until then State is what was believed before
	Streak  int    // results in a row that speak against State
	Reason  string // of the last change of state, or what was said since; before any, why there cannot be one
	Said    string // what the last result said of itself, as an agent does; "" for nothing
	Percent int    // of the weight, while degraded
	Advice  Advice
}

// Changing says that results speak against the state: the next probes may come faster.
func (h Health) Changing() bool { return h.Streak > 0 }

// Step counts one result. The very first decides alone, whatever the rules say: a
// server that answers serves at once, and one that does not gets nothing. An
// inconclusive result changes no state.
func (h Health) Step(rules Rules, r Result) Health {
	if r.Outcome == Inconclusive {
		if r.Absent && !h.Decided {
			return Health{State: Up, Decided: true, Reason: r.Reason, Percent: rules.SlowWeight}
		}
		if !h.Decided && r.CannotRun {
			h.Reason = r.Reason // all that can be told
		}
		return h
	}
	state, reason := verdict(rules, r)
	said := ""
	if r.Outcome == Pass {
		said = r.Reason
	}
	if r.Outcome == Pass {
		h.Advice = r.Advice
	}
	if !h.Decided {
		return Health{State: state, Decided: true, Reason: reason, Said: said, Percent: rules.SlowWeight, Advice: h.Advice}
	}
	h.Percent = rules.SlowWeight
	if (state == Down) == (h.State == Down) {
		h.Streak = 0
		if state != h.State { // up and degraded need no count between them
			h.State, h.Reason = state, reason
		} else if state == Up && said != h.Said {
			h.Reason = reason
		}
		if state != Down {
			h.Said = said
		}
		return h
	}
	h.Streak++
	need := rules.Fall
	if r.Outcome == Pass {
		need = rules.Rise
	}
	if h.Streak < need {
		return h
	}
	if need > 1 {
		reason = fmt.Sprintf("%s (%d times in a row)", reason, need)
	}
	h.State, h.Streak, h.Reason, h.Said = state, 0, reason, said
	return h
}

// verdict is what a result alone says.
func verdict(rules Rules, r Result) (State, string) {
	switch {
	case r.Outcome == Fail:
		return Down, r.Reason
	case rules.Slow > 0 && r.Latency > rules.Slow:
		return Degraded, "slow: answered in " + timespan.Text(r.Latency)
	case r.Reason != "":
		return Up, r.Reason
	}
	return Up, "passed"
}
