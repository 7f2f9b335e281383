package director

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"usher/director/ipvs"
	"usher/healthcheck"
)

// DefaultResync is how often the whole table is compared with the kernel's.
const DefaultResync = 30 * time.Second

// Options are what a Director works with. Kernel is required.
type Options struct {
	Kernel Kernel
	Log    *slog.Logger // nil for none
	// Events hears what happened, in order, from the goroutine of Run; it must not
	// block and must not call back into the Director. Nil writes them to Log.
	Events func(Event)
	// State is the folder that remembers ownership and overrides across restarts.
	// "" remembers nothing.
	State string
	// Resync is how often the whole table is compared; 0 for DefaultResync.
	Resync time.Duration
	// Sysctl reads and writes kernel settings; nil where they are not handled.
	Sysctl Sysctl
	// SNAT keeps the source NAT rules of fullnat; nil where they are not handled.
	SNAT SNAT
}

// Director keeps the kernel as its virtual servers want it. Its methods may be
// called from several goroutines.
type Director struct {
	options Options
	log     *slog.Logger
	kick    chan struct{} // there is something to do; holds at most one

	mu       sync.Mutex // guards all below; never held over a kernel call
	pools    map[string]*Pool
	order    []string
	dirty    map[string]bool
	pending  *request // configuration that Run has not taken yet
	settings *settingRequest
	active   map[string]bool // VRRP instances that are active
	roles    bool            // active changed
	filtered bool            // the packet filter told of a change of the fullnat rules
	queued   []Event         // for the next pass to deliver
	memory   memory
	loaded   bool                     // memory has been read
	born     time.Time                // when this Director was made
	terms    terms                    // when overrides end
	unsaved  error                    // why the state folder does not hold memory; nil when it does
	kept     bool                     // it was written once by this Director, or tried
	owned    map[ipvs.ServiceKey]bool // what memory.Owned says
	shadow   ipvs.Table               // of our services, as the kernel was left; nil before the first read
	retired  map[ipvs.ServiceKey]*retiredService
	stats    Stats
	health   map[string]map[netip.AddrPort]healthcheck.Verdict // by virtual server
	names    map[ipvs.ServiceKey]string                        // whose a service is
	troubles troubles
	foreign  Warning         // a synchronisation daemon that is in the way of ours
	inForce  []SettingStatus // as last looked at

	other []VirtualServer // what another Director runs, for Plan

	loop loopState // used by Run alone

	counts counts
}

// request is a configuration on its way into Run.
type request struct {
	servers []VirtualServer
	taken   bool // it is adopted, and whoever waits is to hear how the kernel was found
	done    []chan error
}

// Stats count what a Director did since it was made.
type Stats struct {
	Ops          map[ipvs.OpKind]uint64 // operations that the kernel took
	Errors       uint64                 // operations that it refused
	DriftRepairs uint64
	Passes       uint64 // comparisons of the whole table
	LastPass     time.Time
	LastError    string // "" when the last pass succeeded
	// Busy is when Run began what it is doing, a part of a pass that takes but moments
	// where the kernel answers; zero while it waits for something to do.
	Busy time.Time
}

// New gives a Director that does nothing until Run.
func New(o Options) *Director {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resync <= 0 {
		o.Resync = DefaultResync
	}
	return &Director{
		options: o,
		log:     o.Log,
		kick:    make(chan struct{}, 1),
		pools:   map[string]*Pool{},
		dirty:   map[string]bool{},
		active:  map[string]bool{},
		retired: map[ipvs.ServiceKey]*retiredService{},
		health:  map[string]map[netip.AddrPort]healthcheck.Verdict{},
		born:    time.Now(),
		terms:   terms{},
		stats:   Stats{Ops: map[ipvs.OpKind]uint64{}},
	}
}

// Apply makes servers the whole configuration. It returns what is wrong with it,
// joined, and then has changed nothing; else it waits until Run has brought the
// kernel there once and returns what the kernel refused, which Run goes on trying.
func (d *Director) Apply(ctx context.Context, servers []VirtualServer) error {
	if errs := ValidateSet(servers); len(errs) > 0 {
		return errors.Join(errs...)
	}
	done := make(chan error, 1)
	d.mu.Lock()
	var waiting []chan error
	if d.pending != nil {
		waiting = d.pending.done
	}
	d.pending = &request{servers: canonical(servers), done: append(waiting, done)}
	d.mu.Unlock()
	d.wake()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetHealth takes a verdict of the checks. It never blocks on the kernel.
func (d *Director) SetHealth(u healthcheck.Update) {
	d.mu.Lock()
	if d.health[u.ID.VirtualServer] == nil {
		d.health[u.ID.VirtualServer] = map[netip.AddrPort]healthcheck.Verdict{}
	}
	d.health[u.ID.VirtualServer][u.ID.RealServer] = u.Verdict
	p := d.pools[u.ID.VirtualServer]
	news := p != nil && p.SetVerdict(u.ID.RealServer, u.Verdict)
	if news {
		d.dirty[u.ID.VirtualServer] = true
	}
	d.mu.Unlock()
	if news {
		d.wake()
	}
}

// Stats gives what was done so far.
func (d *Director) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Ops = make(map[ipvs.OpKind]uint64, len(d.stats.Ops))
	for _, kind := range ipvs.OpKinds {
		s.Ops[kind] = d.stats.Ops[kind]
	}
	return s
}

// wake makes Run look. It never blocks.
func (d *Director) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

func (d *Director) file() string {
	if d.options.State == "" {
		return ""
	}
	return filepath.Join(d.options.State, "director.json")
}

// canonical gives servers with keys in the one form that tables have.
func canonical(servers []VirtualServer) []VirtualServer {
	out := make([]VirtualServer, len(servers))
	for i, vs := range servers {
		vs.Keys = append([]ipvs.ServiceKey(nil), vs.Keys...)
		for j, key := range vs.Keys {
			vs.Keys[j] = key.Canonical()
		}
		out[i] = vs
	}
	return out
}
