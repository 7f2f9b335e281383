package discover_test

import (
	"testing"
	"time"

	"usher/director"
	"usher/director/discover"
)

// Servers that left are known for a week, over a restart as well, and no more of them
// than a bound.
func TestLeft(t *testing.T) {
	source := dnsSource("web.example")
	source.MaxLeave, source.MaxServers = 1, 1000
	p := pool(service(director.NAT), source)
	day := 24 * time.Hour
	p.Step(0, list(1, 2, 3), begin)
	p.Step(0, list(3), begin.Add(day))
	p.Step(0, list(2, 3), begin.Add(2*day))
	p.Step(0, list(3), begin.Add(3*day))
	p.Step(0, discover.Fail(discover.ReasonTimeout, "silence"), begin.Add(3*day))
	again := pool(service(director.NAT), source)
	again.Restore(p.Stored())
	for _, p := range []*discover.Pool{p, again} {
		for n, want := range map[int]time.Duration{1: day, 2: 3 * day} {
			if at, known := p.Left(server(n, 80), begin.Add(want+7*day)); !known || !at.Equal(begin.Add(want)) {
				t.Errorf("server %d left %v, %t; expected after %v", n, at, known, want)
			}
			if _, known := p.Left(server(n, 80), begin.Add(want+7*day+time.Second)); known {
				t.Errorf("server %d is known for more than a week", n)
			}
		}
		if _, known := p.Left(server(9, 80), begin); known {
			t.Error("one that was never there")
		}
	}
	var many []int
	for i := range 900 {
		many = append(many, 10+i)
	}
	p.Step(0, list(many...), begin.Add(4*day))
	p.Step(0, list(3), begin.Add(4*day))
	if n := len(p.Stored().Left); n != 200 {
		t.Errorf("%d servers that left are known", n)
	}
}
