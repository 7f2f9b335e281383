package announce

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func good() Conditions {
	return Conditions{Speaker: true, Sessions: 2, Table: true, Probed: true, Quorum: true, Instance: true, Healthy: true, Bound: true}
}

var times = Parameters{UpDelay: 10 * time.Second, DrainTimeout: 5 * time.Second, Linger: 3 * time.Second}

// up gives a machine that has announced its prefix, at 10 s.
func up(t *testing.T) Machine {
	t.Helper()
	m, _ := NewMachine(times).Step(Input{good(), times}, 0)
	m, _ = m.Step(Input{good(), times}, 10*time.Second)
	if m.Phase() != Announced {
		t.Fatalf("not announced after up_delay but %s for %q", m.Phase(), m.Reason())
	}
	return m
}

// story steps a machine and tells what it did, a word for each action.
func story(m Machine, c Conditions, at time.Duration) (Machine, string) {
	m, actions := m.Step(Input{c, times}, at)
	var words []string
	for _, a := range actions {
		switch a.Kind {
		case ActBind:
			words = append(words, "bind")
		case ActUnbind:
			words = append(words, "unbind")
		case ActAnnounce:
			words = append(words, "announce")
		case ActDrain:
			words = append(words, "drain")
		case ActWithdraw:
			words = append(words, "withdraw")
		case ActNotify:
			words = append(words, fmt.Sprintf("%s(%s)", a.To, a.Reason))
		}
	}
	return m, strings.Join(words, " ")
}

// The whole way up and down in order, with the reason of each step.
func TestOrder(t *testing.T) {
	absent, stopping, stopped := good(), good(), good()
	absent.Bound, stopping.Stopping = false, true
	stopped.Stopping, stopped.Bound = true, false
	m := NewMachine(times)
	for _, step := range []struct {
		at   time.Duration
		c    Conditions
		want string
	}{
		{0, absent, "bind binding(address)"},
		{1 * time.Second, good(), "waiting(up_delay)"},
		{10 * time.Second, good(), ""},
		{11 * time.Second, good(), "announce announced(ready)"},
		{20 * time.Second, stopping, "drain draining(stopping)"},
		{24 * time.Second, stopping, ""},
		{25 * time.Second, stopping, "withdraw lingering(stopping)"},
		{27 * time.Second, stopping, ""},
		{28 * time.Second, stopping, "unbind unbinding(stopping)"},
		{29 * time.Second, stopped, "down(stopping)"},
	} {
		var got string
		if m, got = story(m, step.c, step.at); got != step.want {
			t.Errorf("at %v: %q, want %q", step.at, got, step.want)
		}
		if held := m.Holds(); held != (m.Phase() != Down) {
			t.Errorf("at %v: the table is held: %v, in %s", step.at, held, m.Phase())
		}
	}
}

// A failure is withdrawn at once, what is planned is foretold, and each has its reason.
func TestReasons(t *testing.T) {
	for _, test := range []struct {
		change func(*Conditions)
		want   string
	}{
		{func(c *Conditions) { c.Speaker = false }, "withdraw lingering(speaker)"},
		{func(c *Conditions) { c.Healthy = false }, "withdraw lingering(fault)"},
		{func(c *Conditions) { c.Instance = false }, "withdraw lingering(instance)"},
		{func(c *Conditions) { c.Table = false }, "withdraw lingering(table)"},
		{func(c *Conditions) { c.Quorum = false }, "withdraw lingering(quorum)"},
		{func(c *Conditions) { c.Bound = false }, "withdraw lingering(address) bind binding(address)"},
		{func(c *Conditions) { c.Maintenance = true }, "drain draining(maintenance)"},
		{func(c *Conditions) { c.Withdrawn = true }, "drain draining(operator)"},
		{func(c *Conditions) { c.Stopping = true }, "drain draining(stopping)"},
		{func(c *Conditions) { c.Removed = true }, "drain draining(removed)"},
		{func(c *Conditions) { c.Maintenance, c.Quorum = true, false }, "withdraw lingering(quorum)"},
		{func(c *Conditions) { c.Maintenance, c.Sessions = true, 0 }, "withdraw lingering(maintenance)"},
		{func(c *Conditions) { c.Probed = false }, ""}, // a reload has added a server
		{func(c *Conditions) { c.Sessions = 0 }, ""},   // who comes back is told at once
	} {
		c := good()
		test.change(&c)
		if _, got := story(up(t), c, time.Minute); got != test.want {
			t.Errorf("%+v: %q, want %q", c, got, test.want)
		}
	}
}

// What was taken back before it was withdrawn is announced as before, at once; after
// that only up_delay later, though the address was there all the time.
func TestTakenBack(t *testing.T) {
	c := good()
	c.Maintenance = true
	m, _ := story(up(t), c, 20*time.Second)
	if _, got := story(m, good(), 21*time.Second); got != "announce announced(ready)" {
		t.Errorf("while draining: %q", got)
	}
	m, _ = story(m, c, 25*time.Second)
	m, got := story(m, good(), 26*time.Second)
	if got != "waiting(up_delay)" {
		t.Errorf("while lingering: %q", got)
	}
	// It fails once more before the linger time of 3 s is over.
	if m, got = story(m, c, 27*time.Second); got != "lingering(maintenance)" {
		t.Errorf("again: %q", got)
	}
	if at, ok := m.Next(); !ok || at != 28*time.Second {
		t.Errorf("the linger time ends at %v, want 28s", at)
	}
}

func TestJudge(t *testing.T) {
	serving, probing, down := Pool{"a", true, true, true}, Pool{"b", true, false, false}, Pool{"c", true, true, false}
	for _, test := range []struct {
		require               Require
		pools                 []Pool
		table, probed, quorum bool
	}{
		{RequireAll, nil, false, true, false},
		{RequireAny, nil, false, true, false},
		{RequireAll, []Pool{serving}, true, true, true},
		{RequireAll, []Pool{serving, down}, true, true, false},
		{RequireAny, []Pool{serving, down}, true, true, true},
		{RequireAny, []Pool{serving, probing}, true, true, true},
		{RequireAny, []Pool{down, probing}, true, false, false},
		{RequireAll, []Pool{serving, {Name: "d", Probed: true, Serves: true}}, false, true, true},
	} {
		table, probed, quorum, _ := Judge(test.require, test.pools)
		if table != test.table || probed != test.probed || quorum != test.quorum {
			t.Errorf("%s of %+v: table %v, probed %v, quorum %v", test.require, test.pools, table, probed, quorum)
		}
	}
	if _, _, _, lacking := Judge(RequireAll, []Pool{serving, down}); len(lacking) != 1 || lacking[0] != "c" {
		t.Errorf("lacking %v, want c", lacking)
	}
}

// Every reason has its text, since status and events show it.
func TestReasonsAreTold(t *testing.T) {
	for _, r := range append(Reasons(), ReasonReady) {
		if r.Text() == "" {
			t.Errorf("%q has no text", r)
		}
	}
}
