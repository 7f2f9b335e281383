package engine

import (
	"cmp"
	"maps"
	"net/netip"
	"time"

	"usher/vrrp"
)

// Status gives every instance as it stands, in the order of the configuration. Held
// says what the engine wants held.
func (e *Engine) Status(_ time.Time) []vrrp.Status {
	out := make([]vrrp.Status, 0, len(e.instances))
	for _, in := range e.instances {
		out = append(out, in.status())
	}
	return out
}

func (in *instance) status() vrrp.Status {
	s := vrrp.Status{
		Name: in.cfg.Name, State: in.m.State(), Reason: in.reason,
		Priority: in.cfg.Priority, EffectivePriority: in.m.Priority(),
		VRID: in.cfg.VRID, Version: in.cfg.Version, Interface: in.cfg.Interface,
		Addresses: []string{}, Held: in.m.State() == vrrp.Active,
		Transitions: in.changes, Since: in.since, Stats: in.stats,
	}
	if s.ActiveRouter = in.active; in.resigned {
		s.ActiveRouter = netip.Addr{}
	}
	if in.group != nil {
		s.Group = in.group.name
	}
	for _, a := range in.cfg.Addresses {
		s.Addresses = append(s.Addresses, a.Prefix.String())
	}
	if in.split != nil {
		split := in.split.SplitBrain
		s.SplitBrain = &split
	}
	for _, t := range in.cfg.Track {
		s.Tracks = append(s.Tracks, vrrp.TrackState{Key: t.Key(), Adjustment: in.adjustments[t.Key()]})
	}
	s.Stats.NewActiveReason = cmp.Or(in.stats.NewActiveReason, vrrp.NotActive)
	s.Stats.Discarded = maps.Clone(in.stats.Discarded)
	return s
}
