package discover_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"usher/director"
	"usher/director/discover"
)

// TestProperties draws pools, answers and reloads by seed.
func TestProperties(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { walk(t, rand.New(rand.NewPCG(seed, 15))) })
	}
}

func walk(t *testing.T, r *rand.Rand) {
	vs := service([]director.Forward{director.NAT, director.DR}[r.IntN(2)], draw(r, 3)...)
	var sources []discover.Source
	for i := range 1 + r.IntN(3) {
		s := dnsSource(fmt.Sprintf("s%d.example", i))
		s.AllowEmpty, s.MaxLeave, s.MaxServers = r.IntN(2) == 0, float64(r.IntN(5))/4, 5+r.IntN(20)
		sources = append(sources, s)
	}
	p := pool(vs, sources...)
	now := begin
	for range 60 {
		now = now.Add(time.Duration(r.IntN(60)) * time.Second)
		i := r.IntN(len(sources))
		before, confirmed := p.Servers(), p.Sets()[i].Confirmed
		if r.IntN(10) == 0 {
			q := pool(vs, sources...)
			q.Restore(p.Stored())
			if !slices.Equal(q.Servers(), before) {
				t.Fatalf("restored %v, expected %v", q.Servers(), before)
			}
			p.Update(discover.Config{Server: vs, Sources: sources, Default: director.RealServer{Forward: vs.Forward}})
			if !slices.Equal(p.Servers(), before) {
				t.Fatalf("a reload of the same made %v of %v", p.Servers(), before)
			}
		}
		a := drawAnswer(r)
		out := p.Step(i, a, now)
		good(t, p, vs)
		set := p.Sets()[i]
		if out.Changed != !maps.Equal(settings(before), settings(p.Servers())) {
			t.Fatalf("changed is %v: %v, %v", out.Changed, before, p.Servers())
		}
		if gone, may := left(before, p.Servers()), most(sources[i], len(vs.Real)+len(before)); gone > may {
			t.Fatalf("%d left where %d may", gone, may)
		}
		switch {
		case a.Failure != nil && set.Failure == nil, set.Failure != nil && (out.Changed || !set.Confirmed.Equal(confirmed)):
			t.Fatalf("a failure changed something: %+v", set)
		case set.Failure == nil && !set.Confirmed.Equal(now):
			t.Fatalf("a good answer does not count: %+v", set)
		}
	}
	settle(t, p, r, vs, sources, now)
}

// settle has every source repeat one answer: then the pool has what is listed, and that alone.
func settle(t *testing.T, p *discover.Pool, r *rand.Rand, vs director.VirtualServer, sources []discover.Source, now time.Time) {
	want := map[netip.AddrPort]bool{}
	stuck := false
	for i, s := range sources {
		listed := append(draw(r, 4), 200) // one that every pool can have
		for range 40 {
			p.Step(i, list(listed...), now)
		}
		for _, j := range listed {
			want[server(j, 80)] = true
		}
		stuck = stuck || s.MaxLeave == 0
	}
	for _, rs := range vs.Real {
		delete(want, rs.Address)
	}
	got := map[netip.AddrPort]bool{}
	for _, s := range p.Servers() {
		got[s.Address] = true
	}
	for a := range want {
		if !got[a] {
			t.Fatalf("%s is listed, and not there", a)
		}
	}
	if !stuck && len(got) != len(want) {
		t.Fatalf("there are %v, listed are %v", got, want)
	}
}

func drawAnswer(r *rand.Rand) discover.Answer {
	switch r.IntN(6) {
	case 0:
		return discover.Fail(discover.Reasons[r.IntN(len(discover.Reasons))], "drawn")
	case 1:
		return discover.Answer{}
	}
	var a discover.Answer
	for _, i := range draw(r, 30) {
		e := discover.Entry{Address: server(i, []int{0, 80, 80, 8080}[r.IntN(4)]), Weight: r.IntN(4) - 1, Priority: r.IntN(3)}
		a.Entries = append(a.Entries, e)
	}
	return a
}

func draw(r *rand.Rand, most int) (all []int) {
	for range r.IntN(most + 1) {
		all = append(all, r.IntN(40))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// good asserts what holds of every pool at every time.
func good(t *testing.T, p *discover.Pool, vs director.VirtualServer) {
	t.Helper()
	seen := map[netip.AddrPort]bool{}
	for _, rs := range vs.Real {
		seen[rs.Address] = true
	}
	for _, s := range p.Servers() {
		if seen[s.Address] {
			t.Fatalf("%s is there twice", s.Address)
		}
		seen[s.Address] = true
	}
	for _, err := range p.Server().Validate() {
		t.Fatalf("the pool is invalid: %v", err)
	}
}

func settings(all []discover.Server) map[netip.AddrPort]director.RealServer {
	m := map[netip.AddrPort]director.RealServer{}
	for _, s := range all {
		m[s.Address] = s.RealServer
	}
	return m
}

func left(before, after []discover.Server) (n int) {
	for _, s := range before {
		if !slices.ContainsFunc(after, func(o discover.Server) bool { return o.Address == s.Address }) {
			n++
		}
	}
	return n
}

func most(s discover.Source, all int) int {
	if s.MaxLeave == 0 {
		return 0
	}
	return max(1, int(s.MaxLeave*float64(all)))
}
