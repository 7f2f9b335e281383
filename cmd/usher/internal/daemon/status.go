package daemon

import (
	"time"

	"usher/cmd/usher/internal/api"
	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/vrrp"
)

// Status is the whole daemon as it stands.
func (r *reporter) Status() api.Status {
	now := r.current.now()
	s := api.Status{Version: r.version, Maintenance: now.maintenance, Started: now.started}
	if !now.reload.at.IsZero() {
		s.Reload = &api.Reload{At: now.reload.at, OK: now.reload.err == nil}
		if now.reload.err != nil {
			s.Reload.Error = now.reload.err.Error()
		}
	}
	s.Instances, s.VirtualServers = []api.Instance{}, []api.VirtualServer{}
	if now.config != nil {
		s.RouterID = now.config.Global.RouterID
	}
	if now.vrrp != nil {
		for _, i := range now.vrrp.Status() {
			s.Instances = append(s.Instances, instance(i))
		}
	}
	listed := sources(now.discovery)
	var known map[healthcheck.ID]healthcheck.Status
	if dir := now.director; dir != nil {
		all := now.checks.Statuses()
		known = make(map[healthcheck.ID]healthcheck.Status, len(all))
		for _, h := range all {
			known[h.ID] = h
		}
		pools := dir.Status()
		r.history.saw(time.Now(), pools)
		s.VirtualServers = make([]api.VirtualServer, 0, len(pools))
		for _, v := range pools {
			out := virtualServer(v, known, r.history.of(v.Name))
			listed.show(&out, now.discovery)
			s.VirtualServers = append(s.VirtualServers, out)
		}
		for _, k := range dir.Settings() {
			s.Settings = append(s.Settings, api.Setting{Name: k.Name, Value: k.Value, Was: k.Before})
		}
	}
	s.Directors = r.directors(now)
	announcements(&s, now)
	s.Warnings = r.warnings(&s, now, known)
	s.Verdict = api.Judge(s)
	return s
}

func instance(i vrrp.Status) api.Instance {
	out := api.Instance{
		Name: i.Name, State: i.State.String(), Priority: int(i.Priority), EffectivePriority: int(i.EffectivePriority),
		VirtualRouterID: int(i.VRID), Interface: i.Interface, Addresses: i.Addresses, Transitions: i.Transitions, Since: i.Since,
		Reason: i.Reason, Version: int(i.Version), Group: i.Group, Held: i.Held,
		Statistics: api.Statistics{
			AdvertsSent: i.Stats.AdvertsSent, AdvertsReceived: i.Stats.AdvertsReceived,
			PriorityZeroSent: i.Stats.PriorityZeroSent, PriorityZeroReceived: i.Stats.PriorityZeroReceived,
			BecameActive: i.Stats.BecameActive, AddressMismatches: i.Stats.AddressMismatches,
			NewActiveReason: string(i.Stats.NewActiveReason), IntervalMismatches: i.Stats.IntervalMismatches,
			HMACVerified: i.Stats.HMACVerified, HMACUnsigned: i.Stats.HMACUnsigned,
		},
	}
	if out.Addresses == nil {
		out.Addresses = []string{}
	}
	out.NobodyActiveSince, out.Leaving = i.NobodyActiveSince, i.Leaving
	if i.ActiveRouter.IsValid() {
		out.ActiveRouter = i.ActiveRouter.String()
	}
	if b := i.SplitBrain; b != nil {
		out.SplitBrain = &api.SplitBrain{Address: b.Address.String(), Priority: int(b.Priority), Since: b.Since}
	}
	for _, g := range i.Disagreements {
		out.Disagreements = append(out.Disagreements, api.Disagreement{Peer: g.Peer.String(), Reason: string(g.Reason), Text: g.Text, Since: g.Since})
	}
	if u := i.Unsent; u != nil {
		out.Unsent = &api.Unsent{Text: u.Text, Since: u.Since}
	}
	out.NotCarried, out.MTU = i.NotCarried, i.MTU
	for _, a := range i.Elsewhere {
		out.Elsewhere = append(out.Elsewhere, api.Elsewhere{Address: a.Prefix.String(), Interface: a.Interface, On: a.On, Since: a.Since})
	}
	for _, t := range i.Tracks {
		out.Tracks = append(out.Tracks, api.Track{Name: t.Key, Fault: t.Adjustment.Fault, Weight: t.Adjustment.Weight, Reason: t.Adjustment.Reason})
	}
	authentication(&out, i)
	for reason, n := range i.Stats.Discarded {
		if out.Statistics.Discarded == nil {
			out.Statistics.Discarded = map[string]uint64{}
		}
		out.Statistics.Discarded[string(reason)] = n
	}
	for kind, n := range i.Stats.Repairs {
		if out.Statistics.Repairs == nil {
			out.Statistics.Repairs = map[string]uint64{}
		}
		out.Statistics.Repairs[string(kind)] = n
	}
	if l := i.Stats.LastDiscard; l != nil {
		out.Statistics.LastDiscard = &api.Discard{Reason: string(l.Reason), From: l.From.String(), At: l.At}
	}
	return out
}

func virtualServer(v director.VirtualServerStatus, checks map[healthcheck.ID]healthcheck.Status, history []uint64) api.VirtualServer {
	out := api.VirtualServer{
		Name: v.Name, Address: v.Address, Protocol: v.Protocol, Scheduler: v.Scheduler, ForwardMethod: string(v.Forward),
		Up: v.Up, Quorum: v.Quorum, RealServers: make([]api.RealServer, 0, len(v.Real)),
		Sorry: v.Sorry, Reason: v.Reason, Since: v.Since, History: history, Removed: v.Removed,
		Counters: counters(v.Counters), Fingerprint: v.Fingerprint,
	}
	for _, r := range v.Real {
		server := api.RealServer{
			Address: r.Address.String(), ForwardMethod: string(r.Forward), Weight: r.Weight, EffectiveWeight: r.EffectiveWeight,
			State: string(r.State), Reason: r.Reason, Sorry: r.Sorry, Since: r.Since, Removed: r.Removed,
			ActiveConnections: r.Counters.Active, InactiveConnections: r.Counters.Inactive,
			Counters: counters(r.Counters),
		}
		if r.Override != nil {
			server.Override = override(*r.Override)
		}
		found := checks[healthcheck.ID{VirtualServer: v.Name, RealServer: r.Address}].Checks
		server.Checks = make([]api.Check, 0, len(found))
		for _, c := range found {
			server.Checks = append(server.Checks, check(c))
		}
		out.RealServers = append(out.RealServers, server)
	}
	for _, a := range v.Absent {
		out.Absent = append(out.Absent, api.AbsentServer{Address: a.Address.String(), Override: *override(a.Override), Text: a.Override.Text()})
	}
	return out
}

func override(o director.Override) *api.Override {
	return &api.Override{Mode: string(o.Mode), Weight: o.Weight, Since: o.Since, By: o.By, Until: given(o.Until), Reason: o.Reason}
}

func counters(c ipvs.Counters) api.Counters {
	return api.Counters{
		Connections: c.Connections, PacketsIn: c.PacketsIn, PacketsOut: c.PacketsOut, BytesIn: c.BytesIn, BytesOut: c.BytesOut,
		ConnectionRate: c.ConnectionRate, ByteRateIn: c.ByteRateIn, ByteRateOut: c.ByteRateOut,
	}
}

func check(c healthcheck.CheckStatus) api.Check {
	out := api.Check{
		Type: string(c.Type), Name: c.Name, State: c.State.String(), LastError: c.LastError, Since: c.Since,
		CannotRun: c.CannotRun != "",
		LatencyMS: float64(c.Latency.Microseconds()) / 1000,
		LastRun:   given(c.LastRun), NextRun: given(c.NextRun), Certificate: given(c.Expiry),
	}
	if c.Initial {
		out.State = "initial"
	}
	return out
}

// given is nil for a time that is not known.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
