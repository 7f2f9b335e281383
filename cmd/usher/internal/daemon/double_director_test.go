package daemon_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"usher/director"
	"usher/director/announce"
	"usher/healthcheck"
)

type fakeDirector world

func (f *fakeDirector) Run(ctx context.Context) error {
	<-ctx.Done()
	(*world)(f).note("director ended")
	return nil
}

func (f *fakeDirector) Configure(context.Context, director.Settings) error { return nil }

func (f *fakeDirector) Apply(_ context.Context, list []director.VirtualServer) error {
	(*world)(f).note("director apply")
	f.mu.Lock()
	apply := f.apply
	f.mu.Unlock()
	if apply != nil {
		apply()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.refuse; err != nil {
		f.refuse = nil
		return err
	}
	f.pools = list
	return nil
}

func (f *fakeDirector) ApplyOne(_ context.Context, vs director.VirtualServer) error {
	(*world)(f).note(fmt.Sprintf("director %s: %d servers", vs.Name, len(vs.Real)))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pools = slices.Clone(f.pools)
	for i := range f.pools {
		if f.pools[i].Name == vs.Name {
			f.pools[i] = vs
		}
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
	return nil
}

func (f *fakeDirector) Announceable(names []string) (all []announce.Pool) {
	for _, n := range names {
		all = append(all, announce.Pool{Name: n, Table: true, Probed: true, Serves: true})
	}
	return all
}

func (f *fakeDirector) SetHealth(u healthcheck.Update) {
	of := u.ID.VirtualServer
	if u.ID.RealServer.IsValid() {
		of += " " + u.ID.RealServer.String()
	}
	(*world)(f).note("health " + of)
}

func (f *fakeDirector) SetActive(instance string, active bool) {
	word := "backup "
	if active {
		word = "active "
	}
	(*world)(f).note(word + instance)
}

func (f *fakeDirector) Override(vs string, rs netip.AddrPort, o director.Override) (director.Effect, error) {
	(*world)(f).note("override " + vs + " " + rs.String() + " " + string(o.Mode))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = append(f.over, o)
	return f.effect, nil
}

func (f *fakeDirector) Hear(said []director.Said) error {
	for _, s := range said {
		(*world)(f).note("heard " + s.VirtualServer + " " + s.RealServer.String() + " " + string(s.Override.Mode))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, said...)
	return nil
}

func (f *fakeDirector) Overrides() ([]director.Said, error) { return nil, nil }

func (f *fakeDirector) Empties(_ string, _ netip.AddrPort, o director.Override) string {
	if o.Mode == director.OverrideDisable {
		return "new connections are refused"
	}
	return ""
}

func (f *fakeDirector) Status() []director.VirtualServerStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []director.VirtualServerStatus
	for _, p := range f.pools {
		s := director.VirtualServerStatus{
			Name: p.Name, Address: p.Address, Protocol: "tcp", Scheduler: p.Service.Scheduler, Forward: p.Forward,
			Up: f.up[p.Name], Quorum: p.Quorum, Reason: "for the test",
		}
		for _, r := range p.Real {
			s.Real = append(s.Real, director.RealServerStatus{Address: r.Address, Forward: r.Forward, Weight: r.Weight, EffectiveWeight: r.Weight, State: director.ServerUp})
		}
		all = append(all, s)
	}
	return all
}

func (f *fakeDirector) Connections() (map[string]uint64, error) { return nil, nil }

func (f *fakeDirector) Quorum(name string) (up bool, reason string, known bool) {
	for _, s := range f.Status() {
		if s.Name == name {
			return s.Up, s.Reason, true
		}
	}
	return false, "", false
}

func (f *fakeDirector) Stats() director.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.asked <- struct{}{}:
	default:
	}
	return director.Stats{Busy: f.busy}
}

func (f *fakeDirector) Warnings() []director.Warning { return nil }

func (f *fakeDirector) Settings() []director.SettingStatus {
	return []director.SettingStatus{{Name: "net.ipv4.vs.conntrack", Value: "1", Before: "0"}}
}

func (f *fakeDirector) Unanswered() (map[healthcheck.ID]int, error) {
	return map[healthcheck.ID]int{{VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.0.0.1:80")}: 3}, nil
}

func (f *fakeDirector) Plan(context.Context, []director.VirtualServer) (director.PlanReport, error) {
	return director.PlanReport{Changes: []director.Change{}}, nil
}

func (f *fakeDirector) PlanSettings([]director.VirtualServer, director.Settings) ([]director.Change, error) {
	return nil, nil
}

func (f *fakeDirector) Stop(_ context.Context, keep bool) error {
	if keep {
		(*world)(f).note("ipvs kept")
	} else {
		(*world)(f).note("ipvs cleaned")
	}
	return nil
}
