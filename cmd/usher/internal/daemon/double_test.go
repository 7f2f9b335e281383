package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/discovery"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
	"usher/healthcheck/bfd"
	"usher/vrrp"
)

// world is the three domains as doubles that write down, in order, what is asked
// of them.
type world struct {
	mu       sync.Mutex
	log      []string
	desired  vrrp.Desired
	pools    []director.VirtualServer
	targets  []healthcheck.Target
	statuses []vrrp.Status
	tracks   map[string]vrrp.Adjustment
	up       map[string]bool // virtual servers with quorum
	over     []director.Override
	silenced []director.Warning // of ways out
	effect   director.Effect    // of all of them
	watched  map[string]watch   // BFD peers
	told     []string           // to alerts
	refuse   error              // what the director's next Apply says
	apply    func()             // called in the director's Apply, if there
	busy     time.Time          // since when the director is at one step
	asked    chan struct{}      // after each look at the director's figures
	noIPVS   error
	handed   chan struct{}      // after each failover that was asked for
	silent   error              // what VRRP says of maintenance
	retire   func(*vrrp.Status) // what maintenance does to the first instance

	vrrpEvents     func(vrrp.Event)
	directorEvents func(director.Event)
	hooks          daemon.ChecksHandlers
	activated      chan string
	changed        chan struct{} // after an ApplyOne of the director
}

func newWorld() *world {
	return &world{tracks: map[string]vrrp.Adjustment{}, up: map[string]bool{}, watched: map[string]watch{}, activated: make(chan string, 16), changed: make(chan struct{}, 1), asked: make(chan struct{}, 1), handed: make(chan struct{}, 16)}
}

func (w *world) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what)
}

func (w *world) noted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.log...)
}

func (w *world) parts() daemon.Components {
	return daemon.Components{
		VRRP: func(_ conf.Global, events func(vrrp.Event)) daemon.VRRP {
			w.vrrpEvents = events
			return (*fakeVRRP)(w)
		},
		Checks: func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
			w.hooks = h
			return (*fakeChecks)(w), (*fakeBFD)(w)
		},
		Alerts: func() daemon.Alerts { return (*fakeAlerts)(w) },
		Director: func(_ string, events func(director.Event)) (daemon.Director, error) {
			if w.noIPVS != nil {
				return nil, w.noIPVS
			}
			w.directorEvents = events
			return (*fakeDirector)(w), nil
		},
		Discovery: func(state string, h daemon.DiscoveryHandlers) daemon.Discovery {
			return discovery.New(discovery.Options{Changed: h.Changed, Events: h.Events, State: state, Log: slog.New(slog.DiscardHandler)})
		},
		Look: discovery.Look,
		Withdraw: func(_ context.Context, _ string, instances []vrrp.Config) ([]string, error) {
			for _, i := range instances {
				w.note("withdraw " + i.Name + " on " + i.Interface)
			}
			return nil, nil
		},
	}
}

type fakeVRRP world

func (f *fakeVRRP) Run(ctx context.Context) error {
	<-ctx.Done()
	(*world)(f).note("vrrp resigned")
	return nil
}

func (f *fakeVRRP) Apply(d vrrp.Desired) error {
	(*world)(f).note("vrrp apply")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.desired = d
	f.statuses = nil
	for _, i := range d.Instances {
		f.statuses = append(f.statuses, vrrp.Status{
			Name: i.Name, State: vrrp.Backup, Priority: i.Priority, EffectivePriority: i.Priority, VRID: i.VRID, Version: i.Version,
			Interface: i.Interface, Addresses: []string{i.Addresses[0].Prefix.String()}, ActiveRouter: netip.MustParseAddr("192.0.2.7"),
		})
	}
	return nil
}

func (f *fakeVRRP) Status() []vrrp.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]vrrp.Status(nil), f.statuses...)
}

func (f *fakeVRRP) Failover(name string) error {
	(*world)(f).note("failover " + name)
	defer func() { f.handed <- struct{}{} }()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.statuses {
		if s := &f.statuses[i]; s.State == vrrp.Active {
			s.Leaving = true
		}
	}
	return nil
}

func (f *fakeVRRP) Stay() error {
	(*world)(f).note("stay")
	return nil
}

func (f *fakeVRRP) Maintenance(on bool) error {
	if on {
		(*world)(f).note("maintenance on")
	} else {
		(*world)(f).note("maintenance off")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if on && f.retire != nil {
		f.retire(&f.statuses[0])
	}
	return f.silent
}

func (f *fakeVRRP) Track(instance, key string, a vrrp.Adjustment) {
	f.mu.Lock()
	f.tracks[instance+" "+key] = a
	f.mu.Unlock()
	f.activated <- instance + " " + key
}

type fakeChecks world

func (f *fakeChecks) Run(ctx context.Context) error {
	<-ctx.Done()
	(*world)(f).note("checks ended")
	return nil
}

func (f *fakeChecks) Apply(t []healthcheck.Target) error {
	(*world)(f).note("checks apply")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = t
	return nil
}

func (f *fakeChecks) ApplyPool(name string, t []healthcheck.Target) error {
	(*world)(f).note(fmt.Sprintf("checks %s: %d servers", name, len(t)))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = append(slices.DeleteFunc(slices.Clone(f.targets), func(o healthcheck.Target) bool { return o.ID.VirtualServer == name }), t...)
	return nil
}

func (f *fakeChecks) Statuses() []healthcheck.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []healthcheck.Status
	for _, t := range f.targets {
		s := healthcheck.Status{ID: t.ID, Verdict: healthcheck.Verdict{State: healthcheck.Up}}
		for _, c := range t.Checks {
			k := healthcheck.CheckStatus{Type: c.Type, State: healthcheck.Up, Latency: 1500000, LastRun: time.Unix(1_800_000_000, 0), NextRun: time.Unix(1_800_000_002, 0)}
			if c.TLS != nil && c.TLS.ExpiryWarning > 0 {
				k.Expiry, k.ExpiringSince = time.Unix(1_900_000_000, 0), time.Unix(1_700_000_000, 0)
			}
			s.Checks = append(s.Checks, k)
		}
		all = append(all, s)
	}
	return all
}

func (f *fakeChecks) Unanswered(id healthcheck.ID, n int) {
	f.activated <- fmt.Sprint("unanswered ", id.RealServer, " ", n)
}

func (f *fakeChecks) Stats() healthcheck.Stats { return healthcheck.Stats{Checks: len(f.targets)} }

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

type fakeBFD world

func (f *fakeBFD) Watch(id uint64, p bfd.Peer, report func(bfd.Change)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched[p.Address.String()] = watch{id, report}
}

func (f *fakeBFD) Forget(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.watched, func(_ string, w watch) bool { return w.id == id })
}

type watch struct {
	id     uint64
	report func(bfd.Change)
}

type fakeAlerts world

func (f *fakeAlerts) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (f *fakeAlerts) Apply(*conf.Config) error { return nil }

func (f *fakeAlerts) Warnings() []director.Warning {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silenced
}

func (f *fakeAlerts) VRRP(e vrrp.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, e.Instance+" "+e.To.String())
}

func (f *fakeAlerts) Director(e director.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, e.VirtualServer+" "+e.To)
}
