package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
)

// DefaultResync is how often the whole table is compared with the kernel's.
const DefaultResync = 30 * time.Second

// Options are what an Engine works with. Kernel is required.
type Options struct {
	Kernel director.Kernel
	Log    *slog.Logger // nil for none
	// Events hears what happened, in order, from the goroutine of Run; it must not
	// block and must not call back into the Engine. Nil writes them to Log.
	Events func(director.Event)
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

// Engine keeps the kernel as its virtual servers want it. Its methods may be
// called from several goroutines.
type Engine struct {
	options Options
	log     *slog.Logger
	kick    chan struct{} // there is something to do; holds at most one

	mu       sync.Mutex // guards all below; never held over a kernel call
	pools    map[string]*director.Pool
	ranks    map[string]int // of pools, their places in order
	order    []string
	dirty    map[string]bool
	pending  *request // configuration that Run has not taken yet
	settings *settingRequest
	active   map[string]bool  // VRRP instances that are active
	roles    bool             // active changed
	filtered bool             // the packet filter told of a change of the fullnat rules
	queued   []director.Event // for the next pass to deliver
	memory   memory
	loaded   bool                     // memory has been read
	born     time.Time                // when this Engine was made
	terms    terms                    // when overrides end
	unsaved  error                    // why the state folder does not hold memory; nil when it does
	kept     bool                     // it was written once by this Engine, or tried
	owned    map[ipvs.ServiceKey]bool // what memory.Owned says
	shadow   ipvs.Table               // of our services, as the kernel was left; nil before the first read
	retired  map[ipvs.ServiceKey]*director.Retired
	stats    director.Stats
	health   map[string]map[netip.AddrPort]healthcheck.Verdict // by virtual server
	names    map[ipvs.ServiceKey]string                        // whose a service is
	troubles troubles
	foreign  director.Warning         // a synchronisation daemon that is in the way of ours
	inForce  []director.SettingStatus // as last looked at

	other []director.VirtualServer // what another Engine runs, for Plan

	loop loopState // used by Run alone

	counts counts
}

// request is a configuration on its way into Run.
type request struct {
	servers []director.VirtualServer
	taken   bool // it is adopted, and whoever waits is to hear how the kernel was found
	done    []chan error
}

// New gives an Engine that does nothing until Run.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resync <= 0 {
		o.Resync = DefaultResync
	}
	return &Engine{
		options: o,
		log:     o.Log,
		kick:    make(chan struct{}, 1),
		pools:   map[string]*director.Pool{},
		ranks:   map[string]int{},
		dirty:   map[string]bool{},
		active:  map[string]bool{},
		retired: map[ipvs.ServiceKey]*director.Retired{},
		health:  map[string]map[netip.AddrPort]healthcheck.Verdict{},
		born:    time.Now(),
		terms:   terms{},
		stats:   director.Stats{Ops: map[ipvs.OpKind]uint64{}},
	}
}

// Apply makes servers the whole configuration. It returns what is wrong with it,
// joined, and then has changed nothing; else it waits until Run has brought the
// kernel there once and returns what the kernel refused, which Run goes on trying.
func (d *Engine) Apply(ctx context.Context, servers []director.VirtualServer) error {
	if errs := director.ValidateSet(servers); len(errs) > 0 {
		return errors.Join(errs...)
	}
	done := make(chan error, 1)
	d.mu.Lock()
	var waiting []chan error
	if d.pending != nil {
		waiting = d.pending.done
	}
	d.pending = &request{servers: director.Canonical(servers), done: append(waiting, done)}
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
func (d *Engine) SetHealth(u healthcheck.Update) {
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
func (d *Engine) Stats() director.Stats {
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
func (d *Engine) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

func (d *Engine) file() string {
	if d.options.State == "" {
		return ""
	}
	return filepath.Join(d.options.State, "director.json")
}
