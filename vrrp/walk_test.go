package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// world is a machine with what its surroundings have been told: all that the
// invariants speak of.
type world struct {
	m     Machine
	held  bool
	armed bool
}

// relative moves all times of a machine so that now is zero: states that differ by
// nothing but the time of day are one.
func (m Machine) relative(now time.Duration) Machine {
	for _, t := range []*time.Duration{&m.timer, &m.notUntil, &m.preemptAt, &m.spent, &m.paceUntil} {
		if *t != 0 {
			*t = max(*t-now, 1)
		}
	}
	if m.notUntil == 1 {
		m.notUntil = 0
	}
	if m.spent == 1 {
		m.spent = 0
	}
	if m.paceUntil <= 1 {
		m.pace, m.paceUntil = 0, 0
	}
	return m
}

// walkInputs is everything that can be said to a machine, in all sorts that make a
// difference: adverts that resign, are lower, equal from either side, higher.
func walkInputs(p Parameters) []Input {
	low, own, high := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("192.0.2.9")
	inputs := []Input{
		{Kind: StepStart}, {Kind: StepResume}, {Kind: StepResume, Interval: p.Interval}, {Kind: StepStop}, {Kind: StepFault}, {Kind: StepExpired}, {Kind: StepYield},
		{Kind: StepHandover}, {Kind: StepRetire}, {Kind: StepStalled}, {Kind: StepWithhold}, {Kind: StepHesitate, Interval: p.Interval},
		{Kind: StepConcede}, {Kind: StepStay},
		{Kind: StepParameters, Parameters: p},
		{Kind: StepPriority, Priority: 100}, {Kind: StepPriority, Priority: 50},
	}
	for _, prio := range []uint8{0, 75, 100, 255} {
		for _, from := range []netip.Addr{low, high} {
			inputs = append(inputs, Input{Kind: StepAdvert, Priority: prio, From: from, Local: own, Interval: p.Interval})
		}
	}
	return inputs
}

// TestEveryReachableState walks every state that a machine can come to by any events
// in any order, at once or after its timer ran out, and asserts what
// RFC 9568 section 6.3 says of the states: addresses are held if and only if
// Active, a timer runs if and only if Active or Backup.
func TestEveryReachableState(t *testing.T) {
	base := Parameters{Version: 3, Priority: 100, Interval: time.Second, DownAdverts: 3, Preempt: true}
	variants := map[string]func(*Parameters){
		"plain":         func(*Parameters) {},
		"no preempt":    func(p *Parameters) { p.Preempt = false },
		"preempt delay": func(p *Parameters) { p.PreemptDelay = 2 * time.Second },
		"startup delay": func(p *Parameters) { p.StartupDelay = 5 * time.Second },
		"version 2":     func(p *Parameters) { p.Version = 2 },
		"owner":         func(p *Parameters) { p.Priority = OwnerPriority },
	}
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			p := base
			change(&p)
			start := world{m: NewMachine(p)}
			seen := map[world]bool{start: true}
			for queue := []world{start}; len(queue) > 0; queue = queue[1:] {
				for _, in := range walkInputs(p) {
					next := walkStep(t, queue[0], in)
					if !seen[next] {
						seen[next] = true
						queue = append(queue, next)
					}
				}
				if len(seen) > 100000 {
					t.Fatal("the states do not come to an end")
				}
			}
			if len(seen) < 20 {
				t.Errorf("only %d states reached: the walk does not see much", len(seen))
			}
		})
	}
}

// walkStep makes one step and checks all that must hold after any.
func walkStep(t *testing.T, w world, in Input) world {
	t.Helper()
	at := time.Duration(0)
	if timer, armed := w.m.Timer(); in.Kind == StepExpired && armed {
		at = timer
	} else if in.Kind == StepExpired {
		return w // no timer, no expiry
	}
	in.At = at
	m, actions := w.m.Step(in)
	next := world{m, w.held, w.armed}
	sent := false
	for _, a := range actions {
		switch a.Kind {
		case ActSend, ActResign:
			sent = true
			if w.m.State() != Active && m.State() != Active {
				t.Errorf("%+v, %+v: an advert from a router that is not active", w.m, in)
			}
		case ActHold:
			if !sent {
				t.Errorf("%+v, %+v: addresses before the advert", w.m, in)
			}
			next.held = true
		case ActDrop:
			next.held = false
		case ActArm:
			next.armed = true
			if a.At != m.timer {
				t.Errorf("%+v, %+v: told timer %v, means %v", w.m, in, a.At, m.timer)
			}
		case ActDisarm:
			next.armed = false
		case ActNotify:
			if a.From != w.m.State() || a.To != m.State() || a.From == a.To {
				t.Errorf("%+v, %+v: notifies %v -> %v, went %v -> %v", w.m, in, a.From, a.To, w.m.State(), m.State())
			}
		}
	}
	active := m.State() == Active
	running := active || m.State() == Backup
	if next.held != active {
		t.Errorf("%+v, %+v: state %v, addresses held %v", w.m, in, m.State(), next.held)
	}
	if next.armed != running || m.armed != running {
		t.Errorf("%+v, %+v: state %v, timer armed %v", w.m, in, m.State(), next.armed)
	}
	if m.leaving != staying && !active {
		t.Errorf("%+v, %+v: leaves without being active", w.m, in)
	}
	next.m = m.relative(at)
	return next
}

// TestEffectivePriority_RFC9568_5_2_4: 0 and 255 have meanings of their own, so
// tracking stays between them, and leaves the owner alone.
func TestEffectivePriority_RFC9568_5_2_4(t *testing.T) {
	for _, c := range []struct {
		base uint8
		adj  []int
		want uint8
	}{
		{100, nil, 100},
		{100, []int{-30, 10}, 80},
		{100, []int{-200}, 1},
		{100, []int{253}, 254},
		{1, []int{-1, 5}, 5},
		{255, []int{-100}, 255},
	} {
		var all []Adjustment
		for _, w := range c.adj {
			all = append(all, Adjustment{Weight: w})
		}
		if got := Effective(c.base, all); got != c.want {
			t.Errorf("Effective(%d, %v) = %d, want %d", c.base, c.adj, got, c.want)
		}
	}
}

func TestTrackAdjustment(t *testing.T) {
	for _, c := range []struct {
		track Track
		up    bool
		want  Adjustment
	}{
		{Track{Weight: 0}, true, Adjustment{}},
		{Track{Weight: 0}, false, Adjustment{Fault: true}},
		{Track{Weight: 0, Reverse: true}, true, Adjustment{Fault: true}},
		{Track{Weight: -30}, true, Adjustment{}},
		{Track{Weight: -30}, false, Adjustment{Weight: -30}},
		{Track{Weight: 20}, true, Adjustment{Weight: 20}},
		{Track{Weight: 20}, false, Adjustment{}},
		{Track{Weight: 20, Reverse: true}, false, Adjustment{Weight: 20}},
	} {
		if got := c.track.Adjustment(c.up, ""); got != c.want {
			t.Errorf("%+v up %v: %+v, want %+v", c.track, c.up, got, c.want)
		}
	}
	if a := (Track{Weight: 0}).InitialAdjustment(); !a.Fault {
		t.Error("a track with weight 0 must be a fault until its first result")
	}
	if a := (Track{Weight: -5}).InitialAdjustment(); a.Fault || a.Weight != 0 {
		t.Errorf("a weighed track says %+v before its first result", a)
	}
	if a := (Track{Weight: 0, Initial: "up"}).InitialAdjustment(); a.Fault {
		t.Error("initial = up must not be a fault")
	}
}
