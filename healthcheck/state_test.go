package healthcheck_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"usher/healthcheck"
)

// step feeds results written as letters: p a pass, s a slow pass, f a failure, i an
// inconclusive one; and writes the states that follow: u, g (degraded), d.
func step(rules healthcheck.Rules, h healthcheck.Health, results string) (healthcheck.Health, string) {
	var states strings.Builder
	for _, r := range results {
		h = h.Step(rules, map[rune]healthcheck.Result{
			'p': {Outcome: healthcheck.Pass, Latency: time.Millisecond},
			's': {Outcome: healthcheck.Pass, Latency: time.Second},
			'f': {Outcome: healthcheck.Fail, Reason: "refused"},
			'i': {Reason: "out of descriptors"},
		}[r])
		states.WriteString(map[healthcheck.State]string{healthcheck.Up: "u", healthcheck.Degraded: "g", healthcheck.Down: "d"}[h.State])
	}
	return h, states.String()
}

func TestHealthStep(t *testing.T) {
	rules := healthcheck.Rules{Rise: 2, Fall: 3, Slow: 100 * time.Millisecond, SlowWeight: 40}
	for _, c := range []struct{ name, results, states string }{
		{"the first pass decides alone", "p", "u"},
		{"the first failure decides alone", "f", "d"},
		{"fall counts failures in a row", "pffpfff", "uuuuuud"},
		{"rise counts passes in a row", "fpfpp", "ddddu"},
		{"inconclusive changes nothing", "iipiffifi", "dduuuuudd"},
		{"a slow pass is degraded at once", "psp", "ugu"},
		{"a slow pass counts for rise", "fps", "ddg"},
		{"degraded falls like up", "sfff", "gggd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := step(rules, healthcheck.Health{}, c.results); got != c.states {
				t.Errorf("%s gives %s, want %s", c.results, got, c.states)
			}
		})
	}
}

func TestHealthReasonAndWeight(t *testing.T) {
	rules := healthcheck.Rules{Rise: 2, Fall: 3, Slow: 100 * time.Millisecond, SlowWeight: 40}
	h, _ := step(rules, healthcheck.Health{}, "pfff")
	if want := "refused (3 times in a row)"; h.Reason != want {
		t.Errorf("reason %q, want %q", h.Reason, want)
	}
	h, _ = step(rules, healthcheck.Health{}, "s")
	if h.Percent != 40 || h.Reason != "slow: answered in 1 s" {
		t.Errorf("degraded: %d%%, %q", h.Percent, h.Reason)
	}
}

// TestHealthNeverFallsEarly: whatever comes, a decided check changes between up and
// down only after as many results in a row as the rules want.
func TestHealthNeverFallsEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := healthcheck.Rules{Rise: rapid.IntRange(1, 5).Draw(t, "rise"), Fall: rapid.IntRange(1, 5).Draw(t, "fall")}
		h, _ := step(rules, healthcheck.Health{}, "p")
		var passes, failures int
		for _, r := range rapid.StringMatching(`[pfi]{1,60}`).Draw(t, "results") {
			before := h.State
			h, _ = step(rules, h, string(r))
			switch r {
			case 'p':
				passes, failures = passes+1, 0
			case 'f':
				failures, passes = failures+1, 0
			}
			if want := before != healthcheck.Down && failures >= rules.Fall; want != (before != healthcheck.Down && h.State == healthcheck.Down) {
				t.Fatalf("down: %v, want %v after %d failures", !want, want, failures)
			}
			if want := before == healthcheck.Down && passes >= rules.Rise; want != (before == healthcheck.Down && h.State != healthcheck.Down) {
				t.Fatalf("up: %v, want %v after %d passes", !want, want, passes)
			}
		}
	})
}

// named makes checks of letters: u, d, g, ? for one without a result, and ! for one that
// cannot run.
func named(states string) []healthcheck.Named {
	var list []healthcheck.Named
	for i, s := range states {
		h := healthcheck.Health{Decided: true, Reason: "said so", Percent: 50}
		switch s {
		case '?':
			h = healthcheck.Health{}
		case '!':
			h = healthcheck.Health{}.Step(healthcheck.Rules{}, healthcheck.Result{CannotRun: true, Reason: "no such file"})
		case 'u':
			h.State = healthcheck.Up
		case 'g':
			h.State = healthcheck.Degraded
		}
		list = append(list, healthcheck.Named{Label: string(rune('a' + i)), Health: h})
	}
	return list
}

func TestJoin(t *testing.T) {
	for _, c := range []struct {
		checks  string
		need    int
		state   healthcheck.State
		initial bool
		reason  string
	}{
		{"", 0, healthcheck.Up, false, "no checks"},
		{"uu", 0, healthcheck.Up, false, "a: said so; b: said so"},
		{"ud", 0, healthcheck.Down, false, "b: said so"},
		{"u?", 0, healthcheck.Down, true, "not probed yet"},
		{"u!", 0, healthcheck.Down, true, "never probed: b cannot run: no such file"},
		{"d!", 0, healthcheck.Down, false, "a: said so"},
		{"d?", 0, healthcheck.Down, false, "a: said so"},
		{"ug", 0, healthcheck.Degraded, false, "b: said so"},
		{"udd", 1, healthcheck.Up, false, "1 of 3 checks up, 1 wanted; b: said so; c: said so"},
		{"u??", 1, healthcheck.Up, false, "a: said so"},
		{"d??", 1, healthcheck.Down, true, "not probed yet"},
		{"ddd", 1, healthcheck.Down, false, "a: said so; b: said so; c: said so"},
		{"uud", 2, healthcheck.Up, false, "2 of 3 checks up, 2 wanted; c: said so"},
		{"udd", 2, healthcheck.Down, false, "b: said so; c: said so"},
	} {
		v := healthcheck.Joint{}.Step(time.Time{}, healthcheck.Join{Need: c.need}, named(c.checks)).Verdict
		if v.State != c.state || v.Initial != c.initial || v.Reason != c.reason {
			t.Errorf("%q need %d: %s initial=%v %q, want %s initial=%v %q", c.checks, c.need, v.State, v.Initial, v.Reason, c.state, c.initial, c.reason)
		}
	}
}

func TestJoinKeepsWhatWasBelieved(t *testing.T) {
	j := healthcheck.Joint{}.Step(time.Time{}, healthcheck.Join{}, named("u"))
	if j = j.Step(time.Time{}, healthcheck.Join{}, named("u?")); j.Verdict.State != healthcheck.Up || j.Verdict.Initial {
		t.Errorf("a check added to a server that is up: %+v, want up still", j.Verdict)
	}
	j = healthcheck.Joint{}.Step(time.Time{}, healthcheck.Join{Initial: healthcheck.Up}, named("?"))
	if j.Verdict.State != healthcheck.Up || !j.Verdict.Initial {
		t.Errorf("initial = up: %+v", j.Verdict)
	}
}

func TestJoinWeights(t *testing.T) {
	checks := named("uuu")
	checks[0].Advice = healthcheck.Advice{Scaled: true, Percent: 150}
	checks[1].Advice = healthcheck.Advice{Weighted: true, Weight: 7}
	checks[2].Advice = healthcheck.Advice{Weighted: true, Weight: 3, Drain: true}
	checks[2].State = healthcheck.Degraded
	v := healthcheck.Joint{}.Step(time.Time{}, healthcheck.Join{}, checks).Verdict
	if v.Percent != 75 || !v.Weighted || v.Weight != 3 || !v.Drain {
		t.Errorf("%+v, want 75%% of 3, draining", v)
	}
}

func TestFlapDamping(t *testing.T) {
	rules := healthcheck.Join{FlapThreshold: 4, FlapWindow: time.Minute, FlapHold: 30 * time.Second}
	now := time.Unix(0, 0)
	var j healthcheck.Joint
	for i, c := range []struct {
		after  time.Duration
		checks string
		state  healthcheck.State
	}{
		{0, "u", healthcheck.Up},
		{time.Second, "d", healthcheck.Down},
		{time.Second, "u", healthcheck.Up},
		{time.Second, "d", healthcheck.Down},
		{time.Second, "u", healthcheck.Down}, // the fourth change: held
		{29 * time.Second, "u", healthcheck.Down},
		{time.Second, "u", healthcheck.Up}, // hold is over
		{time.Second, "d", healthcheck.Down},
		{time.Second, "u", healthcheck.Up}, // counted anew
		{2 * time.Minute, "d", healthcheck.Down},
		{time.Second, "u", healthcheck.Up},
		{time.Second, "d", healthcheck.Down},
		{time.Second, "u", healthcheck.Down}, // four within the minute
	} {
		now = now.Add(c.after)
		j = j.Step(now, rules, named(c.checks))
		if j.Verdict.State != c.state {
			t.Fatalf("step %d: %s (%s), want %s", i, j.Verdict.State, j.Verdict.Reason, c.state)
		}
	}
	if !strings.HasPrefix(j.Verdict.Reason, "flapping: 4 changes within 1 min, held down for 30 s") {
		t.Errorf("reason %q", j.Verdict.Reason)
	}
}
