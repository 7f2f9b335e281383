package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
)

// flight is how long an advert takes from one router to another.
const flight = time.Millisecond

// network is several engines on one wire, with the time in which an instance's addresses
// were on none or on several of them.
type network struct {
	t       *testing.T
	now     time.Time
	routers []*router
	wire    []packetInFlight
	none    map[string]time.Duration
	several map[string]time.Duration
	lose    int // so many of the next adverts
}

type packetInFlight struct {
	at   time.Time
	from *router
	msg  Incoming
}

type router struct {
	n    *network
	e    *Engine
	name string
	said []string
	held map[string]bool
}

func (r *router) Send(_ string, out Outgoing) error {
	if r.n.lose > 0 {
		r.n.lose--
		return nil
	}
	r.n.wire = append(r.n.wire, packetInFlight{r.n.now.Add(flight), r, Incoming{
		Index: 2, Source: out.Source, Destination: out.Destination, TTL: out.TTL, Payload: slices.Clone(out.Payload),
	}})
	return nil
}

func (r *router) Hold(instance string, active bool) { r.held[instance] = active }
func (r *router) Announce(string)                   {}
func (r *router) AnnounceSource(OwnSource)          {}
func (r *router) Event(e vrrp.Event) {
	r.said = append(r.said, fmt.Sprintf("%v %s: %s", r.n.now.Sub(start), e.Kind, e.Message()))
}

// newNetwork makes routers with the source addresses 192.0.2.1, .2 and so on.
func newNetwork(t *testing.T, routers int) *network {
	n := &network{t: t, now: start}
	for i := range routers {
		r := &router{n: n, name: string(rune('a' + i)), held: map[string]bool{}}
		r.e = New(Options{Ports: r})
		r.e.Link(n.now, Link{Name: "eth0", Index: 2, Up: true, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})}})
		n.routers = append(n.routers, r)
	}
	n.measure()
	return n
}

// measure forgets what was measured and said.
func (n *network) measure() {
	n.none, n.several = map[string]time.Duration{}, map[string]time.Duration{}
	for _, r := range n.routers {
		r.said = nil
	}
}

// run lets time pass, delivering adverts and firing timers on the way.
func (n *network) run(d time.Duration) {
	end := n.now.Add(d)
	for {
		next, ok := end, false
		for _, p := range n.wire {
			if p.at.Before(next) {
				next, ok = p.at, true
			}
		}
		for _, r := range n.routers {
			if at, armed := r.e.Deadline(); armed && at.Before(next) {
				next, ok = at, true
			}
		}
		n.pass(next)
		if !ok {
			return
		}
		due := n.wire
		n.wire = nil
		for _, p := range due {
			if p.at.After(n.now) {
				n.wire = append(n.wire, p)
				continue
			}
			for _, r := range n.routers {
				if r != p.from {
					r.e.Receive(n.now, p.msg)
				}
			}
		}
		for _, r := range n.routers {
			if at, armed := r.e.Deadline(); armed && !at.After(n.now) {
				r.e.Expire(n.now)
			}
		}
	}
}

// pass adds the time until an instant to what was measured.
func (n *network) pass(until time.Time) {
	if until.Before(n.now) {
		return
	}
	holders := map[string]int{}
	for _, r := range n.routers {
		for name, held := range r.held {
			if held {
				holders[name]++
			}
			holders[name] += 0
		}
	}
	for name, count := range holders {
		switch {
		case count == 0:
			n.none[name] += until.Sub(n.now)
		case count > 1:
			n.several[name] += until.Sub(n.now)
		}
	}
	n.now = until
}

// apply configures a router by its number.
func (n *network) apply(i int, d vrrp.Desired) { n.routers[i].e.Apply(n.now, d) }

// state asserts the states of an instance on all routers.
func (n *network) state(instance string, want ...vrrp.State) {
	n.t.Helper()
	for i, r := range n.routers {
		for _, s := range r.e.Status(n.now) {
			if s.Name == instance && s.State != want[i] {
				n.t.Fatalf("%v: %s of %s is %v (%s), want %v\n%s", n.now.Sub(start), instance, r.name, s.State, s.Reason, want[i], n.story())
			}
		}
	}
}

// undisturbed asserts that nothing was on none or on several routers for longer than
// the adverts need, and that nobody said a word about states.
func (n *network) undisturbed() {
	n.t.Helper()
	for _, m := range []map[string]time.Duration{n.none, n.several} {
		for name, d := range m {
			if d > 0 {
				n.t.Errorf("%s was on none or several routers for %v", name, d)
			}
		}
	}
	if strings.Contains(n.story(), " state: ") {
		n.t.Errorf("something moved:\n%s", n.story())
	}
}

func (n *network) story() string {
	var b strings.Builder
	for _, r := range n.routers {
		for _, s := range r.said {
			fmt.Fprintln(&b, r.name, s)
		}
	}
	return b.String()
}
