package sim

import (
	"net/netip"
	"time"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// adverts bounds what a machine sends of one instance and family within an interval: its
// regular advertisement, its answers to others, and what an end and a new beginning add.
func (Plan) adverts() int { return 8 }

// stations is how many are on a network.
func (p Plan) stations() int {
	if p.Stubborn {
		return p.Directors + 1
	}
	return p.Directors
}

// sender is one instance's virtual router of one family on one machine.
type sender struct {
	machine int
	link    string
	v6      bool
}

// countSent checks an advertisement against the bound.
func (w *world) countSent(id int, out engine.Outgoing) {
	from, most := sender{id, out.Interface, out.Destination.Is6()}, w.plan.adverts()
	w.mu.Lock()
	last := append(w.sent[from], time.Now())
	if len(last) > most+1 {
		last = last[1:]
	}
	w.sent[from] = last
	w.mu.Unlock()
	if len(last) > most && last[most].Sub(last[0]) < w.plan.Interval {
		w.fail("director %d sent more than %d advertisements on %s within an interval", id, most, out.Interface)
	}
}

// stubborn puts somebody on each network who takes itself for the active router of
// priority 1, whatever it hears, and says so at once to each that speaks.
func (w *world) stubborn() {
	id := w.plan.Directors
	for _, l := range w.lans {
		l.plug(id, func(in engine.Incoming) {
			a, form, reason := packet.Parse(in.Payload, in.Source, in.Destination)
			if reason != vrrp.DiscardNone || a.Priority == 0 {
				return
			}
			a.Priority = 1
			src := netip.AddrFrom4([4]byte{10, 1, 0, 99})
			if in.Destination.Is6() {
				src = netip.MustParseAddr("fe80::99")
			}
			out := engine.Outgoing{Index: in.Index, Source: src, Destination: in.Destination, TTL: in.TTL}
			out.Payload = packet.Append(nil, a, src, in.Destination, form)
			l.send(id, out)
		})
	}
}
