package engine

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"usher/vrrp"
)

// Status gives every instance as it stands, in the order of the configuration. Held
// says what the engine wants held.
func (e *Engine) Status(now time.Time) []vrrp.Status {
	out := make([]vrrp.Status, 0, len(e.instances))
	for _, in := range e.instances {
		s := in.status(now)
		s.Elsewhere = e.elsewhere[s.Name]
		out = append(out, s)
	}
	return out
}

func (in *instance) status(now time.Time) vrrp.Status {
	s := vrrp.Status{
		Name: in.cfg.Name, State: in.m.State(), Reason: in.reason,
		Priority: in.cfg.Priority, EffectivePriority: in.m.Priority(),
		VRID: in.cfg.VRID, Version: in.cfg.Version, Interface: in.cfg.Interface,
		Addresses: []string{}, Held: in.m.State() == vrrp.Active,
		Transitions: in.changes, Since: in.since, Stats: in.stats,
	}
	s.ActiveRouter, s.Leaving = in.activeRouter(now), in.m.Leaving()
	if in.m.State() != vrrp.Active && now.Sub(in.attended) > in.downInterval() {
		since := in.attended
		s.NobodyActiveSince = &since
	}
	if in.m.Yielded() && in.cfg.Preempt && s.ActiveRouter.IsValid() && in.activePriority < in.m.Priority() {
		s.Reason += fmt.Sprintf("; its priority is higher, but after a handover on request it stays back until %v hands over or falls silent", s.ActiveRouter)
	}
	if in.group != nil {
		s.Group = in.group.name
	}
	for _, a := range in.cfg.Addresses {
		s.Addresses = append(s.Addresses, a.Prefix.String())
	}
	for _, d := range in.disagreements {
		s.Disagreements = append(s.Disagreements, d.Disagreement)
	}
	if in.split != nil {
		split := in.split.SplitBrain
		s.SplitBrain = &split
	}
	if in.unsent != nil && s.State == vrrp.Active {
		unsent := *in.unsent
		s.Unsent = &unsent
	}
	for i := range in.families {
		f := &in.families[i]
		if n := len(f.addresses) - len(in.carried(f)); n > 0 {
			s.NotCarried, s.MTU = n, f.device.MTU
		}
	}
	s.Peers = in.peers()
	if h := in.cfg.HMAC; h != nil {
		s.HMAC = &vrrp.HMACStatus{Mode: h.Mode, ActiveKey: h.ActiveKey, AntiReplay: h.AntiReplay, Window: h.Window}
		for _, k := range h.Keys {
			s.HMAC.Keys = append(s.HMAC.Keys, k.ID)
		}
	}
	for _, t := range in.cfg.Track {
		s.Tracks = append(s.Tracks, vrrp.TrackState{Key: t.Key(), Adjustment: in.adjustments[t.Key()]})
	}
	s.Stats.NewActiveReason = cmp.Or(in.stats.NewActiveReason, vrrp.NotActive)
	s.Stats.Discarded = maps.Clone(in.stats.Discarded)
	return s
}

// activeRouter is the router that is active as far as this one knows; invalid where it
// knows of none.
func (in *instance) activeRouter(now time.Time) netip.Addr {
	if in.m.State() != vrrp.Active && (in.resigned || now.Sub(in.heard()) > in.downInterval()) {
		return netip.Addr{}
	}
	return in.active
}

// downInterval is for how long an active router may be silent (RFC 9568 section 6.1,
// Active_Down_Interval), whatever state this one is in.
func (in *instance) downInterval() time.Duration {
	own := in.m.DownInterval()
	return max(own, own+time.Duration(in.cfg.DownAdverts)*(in.activeInterval-in.m.AdvertInterval()))
}
