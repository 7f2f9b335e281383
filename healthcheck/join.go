package healthcheck

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/vrrp/timespan"
)

// Join says how the checks of one server decide together.
type Join struct {
	Need          int   // how many must be up; 0 for all
	Initial       State // believed until they decide
	FlapThreshold int   // this many changes
	FlapWindow    time.Duration
	FlapHold      time.Duration // hold the server down for so long after the last of them
}

// Join is the target's own.
func (t *Target) Join() Join {
	return Join{t.Need, t.Initial, t.FlapThreshold, t.FlapWindow, t.FlapHold}
}

// Named is a check's health with the words that reasons begin with.
type Named struct {
	Label string // "http", or "http login" where it has a name
	Health
}

// Joint is one server as its checks together leave it.
type Joint struct {
	Verdict Verdict
	decided bool
	up      bool        // what the checks say, flapping apart
	changes []time.Time // of up, within the window; only kept where a threshold is set
	held    time.Time   // down until then, for flapping
}

// Step joins the checks' health at a time. An undecided check leaves what was
// believed of the server, unless the others decide without it.
func (j Joint) Step(now time.Time, rules Join, checks []Named) Joint {
	v, decided := join(rules, checks)
	switch {
	case decided:
	case j.decided:
		return j
	default:
		j.Verdict = Verdict{State: rules.Initial, Initial: true, Percent: 100, Reason: unprobed(checks)}
		return j
	}
	if up := v.State != Down; rules.FlapThreshold > 0 {
		if j.decided && up != j.up {
			j.changes = append(slices.DeleteFunc(slices.Clone(j.changes), func(t time.Time) bool {
				return now.Sub(t) > rules.FlapWindow
			}), now)
			if len(j.changes) >= rules.FlapThreshold {
				j.held = now.Add(rules.FlapHold)
			}
		}
		j.up = up
	}
	j.decided, j.Verdict = true, v
	if now.Before(j.held) {
		j.Verdict.State = Down
		j.Verdict.Reason = fmt.Sprintf("flapping: %d changes within %s, held down for %s; last: %s",
			len(j.changes), timespan.Text(rules.FlapWindow), timespan.Text(rules.FlapHold), v.Reason)
	} else if !j.held.IsZero() {
		j.held, j.changes = time.Time{}, nil
	}
	return j
}

// unprobed says why there is no verdict yet.
func unprobed(checks []Named) string {
	var cannot []string
	for _, c := range checks {
		if !c.Decided && c.Reason != "" {
			cannot = append(cannot, c.Label+" cannot run: "+c.Reason)
		}
	}
	if len(cannot) > 0 {
		return "never probed: " + strings.Join(cannot, "; ")
	}
	return "not probed yet"
}

// Deadline is when a held server must be stepped again; zero for never.
func (j Joint) Deadline() time.Time { return j.held }

// join is what the checks say together, and whether they can say it yet.
func join(rules Join, checks []Named) (Verdict, bool) {
	need := rules.Need
	if need <= 0 || need > len(checks) {
		need = len(checks)
	}
	v := Verdict{State: Up, Percent: 100}
	var up, down int
	var bad, slow, said []string
	for _, c := range checks {
		switch {
		case !c.Decided:
		case c.State == Down:
			down++
			bad = append(bad, c.Label+": "+c.Reason)
		default:
			up++
			if c.State == Degraded {
				slow = append(slow, c.Label+": "+c.Reason)
			} else {
				said = append(said, c.Label+": "+c.Reason)
			}
			v = v.advised(c.Health)
		}
	}
	switch {
	case up >= need:
	case down > len(checks)-need:
		v.State, v.Reason = Down, strings.Join(bad, "; ")
		return v, true
	default:
		return Verdict{}, false
	}
	switch {
	case len(slow) > 0:
		v.State, v.Reason = Degraded, strings.Join(slow, "; ")
	case len(checks) == 0:
		v.Reason = "no checks"
	case len(bad) > 0:
		v.Reason = fmt.Sprintf("%d of %d checks up, %d wanted; %s", up, len(checks), need, strings.Join(bad, "; "))
	default:
		v.Reason = strings.Join(said, "; ")
	}
	return v, true
}

// advised is v with one check's wishes for the weight: percents multiply, the
// smallest weight wins, and any drain drains.
func (v Verdict) advised(h Health) Verdict {
	if h.State == Degraded {
		v.Percent = v.Percent * h.Percent / 100
	}
	if a := h.Advice; a.Scaled {
		v.Percent = v.Percent * a.Percent / 100
	}
	if a := h.Advice; a.Weighted && (!v.Weighted || a.Weight < v.Weight) {
		v.Weighted, v.Weight = true, a.Weight
	}
	v.Drain = v.Drain || h.Advice.Drain
	return v
}
