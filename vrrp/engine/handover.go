package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// Failover hands an active instance, with its sync group, over to the peer: it
// resigns and keeps the addresses until the peer is heard. Without a peer it
// takes them back. The error says why there is nothing to hand over.
func (e *Engine) Failover(now time.Time, name string) error {
	in := e.instance(name)
	if in == nil {
		return fmt.Errorf("vrrp: no instance %q", name)
	}
	if in.m.State() != vrrp.Active {
		return fmt.Errorf("vrrp: instance %q is not active here but %s", name, in.m.State())
	}
	if in.m.Leaving() {
		return fmt.Errorf("vrrp: instance %q is being handed over already", name)
	}
	for _, member := range in.siblings() {
		e.leave(now, member, vrrp.StepHandover, "handed over on request")
	}
	return nil
}

// Maintenance takes the whole machine out, handing over what is active, or
// lets it take part again.
func (e *Engine) Maintenance(now time.Time, on bool) {
	if e.closed || e.maintenance == on {
		return
	}
	e.maintenance = on
	if !on {
		e.Stay(now)
		e.evaluateAll(now)
		return
	}
	for _, in := range e.instances {
		e.leave(now, in, vrrp.StepRetire, "maintenance")
	}
}

// Stay takes back every handover, and every way into maintenance, that no peer has
// answered yet.
func (e *Engine) Stay(now time.Time) {
	for _, in := range e.instances {
		if in.m.Leaving() {
			e.step(now, in, vrrp.Input{Kind: vrrp.StepStay}, "")
		}
	}
}

// leave begins a handover of one instance, or its way into maintenance.
func (e *Engine) leave(now time.Time, in *instance, kind vrrp.StepKind, reason string) {
	if !in.m.Leaving() {
		in.strangers = in.stubborn(now)
	}
	e.step(now, in, vrrp.Input{Kind: kind}, reason)
}

// succeeds says whether an advert that comes while this router is leaving is its
// successor's: of a router that takes over one of its addresses at least (a list may
// be in the midst of a change), and that has not been active all along.
func (in *instance) succeeds(f *family, from netip.Addr, a packet.Advert) bool {
	if slices.Contains(in.strangers, from) {
		return false
	}
	return slices.ContainsFunc(a.Addresses, func(addr netip.Addr) bool { return slices.Contains(f.addresses, addr) })
}
