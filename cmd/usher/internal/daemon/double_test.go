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
	"usher/cmd/usher/internal/peers"
	"usher/conf"
	"usher/director"
	"usher/director/announce"
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
	said     []director.Said    // by other directors
	network  peers.Network      // nil for the machine's
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
	secrets        func() []string // of the VRRP process's log
	directorEvents func(director.Event)
	hooks          daemon.ChecksHandlers
	announcing     daemon.AnnouncerHandlers
	announced      announce.Config
	kicked         chan struct{} // after an announcer's Kick
	activated      chan string
	changed        chan struct{} // after an ApplyOne of the director
}

func newWorld() *world {
	return &world{kicked: make(chan struct{}, 64), tracks: map[string]vrrp.Adjustment{}, up: map[string]bool{}, watched: map[string]watch{}, activated: make(chan string, 16), changed: make(chan struct{}, 1), asked: make(chan struct{}, 1), handed: make(chan struct{}, 16)}
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
		VRRP: func(_ conf.Global, events func(vrrp.Event), secrets func() []string) daemon.VRRP {
			w.secrets = secrets
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
		Peers: func(state string, h daemon.PeersHandlers) daemon.Peers {
			return peers.New(peers.Options{Log: slog.New(slog.DiscardHandler), State: state, Network: w.network, Heard: h.Heard, Event: h.Events})
		},
		Look: discovery.Look,
		Announcer: func(_ daemon.BFD, h daemon.AnnouncerHandlers) daemon.Announcer {
			w.note("announcer made")
			w.announcing = h
			return (*fakeAnnouncer)(w)
		},
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

// fakeAnnouncer has everything announced as soon as it is configured.
type fakeAnnouncer world

func (f *fakeAnnouncer) Run(ctx context.Context) error {
	<-ctx.Done()
	(*world)(f).note("announcer ended")
	return nil
}

func (f *fakeAnnouncer) Apply(_ context.Context, c announce.Config) error {
	(*world)(f).note("announcer apply")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.announced = c
	return nil
}

func (f *fakeAnnouncer) Retire(_ context.Context, gone func(string, netip.Prefix) bool) error {
	f.mu.Lock()
	c := f.announced
	f.mu.Unlock()
	for _, a := range c.Announcements {
		for _, p := range a.Prefixes {
			if gone(a.Name, p) {
				(*world)(f).note("announcer retires " + p.String())
			}
		}
	}
	return nil
}

func (f *fakeAnnouncer) Stop(context.Context) error {
	(*world)(f).note("announcer withdraws all")
	return nil
}

func (f *fakeAnnouncer) Kick() {
	select {
	case f.kicked <- struct{}{}:
	default:
	}
}

func (f *fakeAnnouncer) SetActive(instance string, active bool) {
	(*world)(f).note(fmt.Sprintf("announcer: %s active %v", instance, active))
}

func (f *fakeAnnouncer) SetMaintenance(on bool) {
	(*world)(f).note(fmt.Sprintf("announcer: maintenance %v", on))
}

func (f *fakeAnnouncer) SetWithdrawn(names []string) {
	(*world)(f).note(fmt.Sprintf("announcer: withdrawn %v", names))
}

func (f *fakeAnnouncer) Status() (all []announce.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.announced.Announcements {
		s := announce.Status{Name: a.Name, Pools: a.Pools, Withdrawals: 3}
		for _, p := range a.Prefixes {
			s.Prefixes = append(s.Prefixes, announce.PrefixStatus{Prefix: p, Phase: announce.Announced, Reason: announce.ReasonReady, Text: "all is well", Since: time.Unix(1_800_000_000, 0)})
		}
		all = append(all, s)
	}
	return all
}

func (f *fakeAnnouncer) Sessions() (all []announce.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.announced.Peers {
		all = append(all, announce.Session{Peer: p.Address, ASN: p.ASN, State: announce.Established, HoldTime: p.HoldTime, IPv4: true, Flaps: 2})
	}
	return all
}

func (f *fakeAnnouncer) Warnings() []announce.Warning {
	return []announce.Warning{{Kind: "bgp_session", Subject: "192.0.2.254", Text: "no BGP session", Since: time.Unix(1_800_000_000, 0)}}
}

func (f *fakeAnnouncer) Unclaimed() (uint64, error) { return 5, nil }

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

func (f *fakeAlerts) Announce(e announce.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, e.Announcement+" "+e.To)
}
