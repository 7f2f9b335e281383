package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/metrics"
	"usher/cmd/usher/internal/sdnotify"
	"usher/conf"
	"usher/healthcheck/redact"
)

// Options are what a Daemon works with. Hangup, Keep and what follows
// may be missing.
type Options struct {
	Version    string
	Load       func(context.Context) (*conf.Config, conf.Diagnostics)
	Variables  map[string]string // those that Load uses, beside the environment's
	Machine    Machine
	Components Components
	Log        *slog.Logger
	LogControl *logging.Control
	Notifier   *sdnotify.Notifier
	Hangup     <-chan os.Signal        // each is a reload
	Keep       <-chan os.Signal        // one is a stop that keeps IPVS as it is
	Pages      map[string]http.Handler // served beside the API, by pattern
	Watch      []string                // files and folders whose change is a reload; none for no watching
	// Home is the state folder that the service manager gave, where a daemon whose
	// configuration names another leaves word of that; "" for none.
	Home string
	// LastGood is the state folder whose last good configuration is used where the
	// files are invalid at the start; "" to fail then.
	LastGood string
	// Strict makes an interface that is not there a reason not to start.
	Strict  bool
	Started func() // called when the start is over
}

// Daemon is a running usher: how its parts start, follow a new configuration and stop.
// What it says of itself is the reporter's, what operators ask for has types of its own.
type Daemon struct {
	*reporter
	*handovers
	*steering
	*current
	relay *relay

	opts    Options
	log     *slog.Logger
	metrics *metrics.Metrics
	secrets redact.Live // that nothing shows, of the configurations so far
	failed  chan error  // a part that ended though nobody asked it to
	keep    bool        // IPVS outlives this process, whatever on_stop says

	reading  turn          // one reload at a time, from the reading of its files on
	changing turn          // one change of what runs at a time
	ending   chan struct{} // closed when the stop begins
	idle     Director      // opened, and not run before a reload needs it; nil before
	found    discovered

	resigned bool // VRRP has stopped, or is about to, and does not start again; under current's lock

	alerts  Alerts
	bfd     BFD
	state   *stateFolder
	events  *eventStore
	servers *servers
	parts   struct{ vrrp, checks, director, announcer, helpers, alerts, discovery, discovered, peers, describes, compared, keeper, journal, watcher, hangups, standing, socket *task }
}

// New makes a Daemon. Nothing runs before Run.
func New(o Options) *Daemon {
	d := &Daemon{
		opts: o, log: o.Log, metrics: metrics.New(o.Version), alerts: o.Components.Alerts(),
		failed: make(chan error, 4), reading: newTurn(), changing: newTurn(), ending: make(chan struct{}), found: discovered{kick: make(chan struct{}, 1)},
		current: &current{snapshot: snapshot{active: map[string]bool{}}},
	}
	d.reporter = &reporter{
		version: o.Version, variables: o.Variables, machine: o.Machine, current: d.current, secrets: &d.secrets,
		ring: events.NewRing(0, events.Numbering(time.Now())), history: newHistory(), silenced: d.alerts.Warnings,
	}
	d.handovers = &handovers{
		current: d.current, happened: d.ring, record: d.record, change: d.change, done: d.changing.give,
		keep: func(on bool, by string) error { return d.state.setMaintenance(on, by) },
	}
	d.steering = &steering{d.current}
	d.relay = &relay{current: d.current, log: o.Log, history: d.history, quorum: make(chan struct{}, 1)}
	d.servers = &servers{log: o.Log, names: d.names, handler: func(steer bool) http.Handler {
		return api.Handler(d, d.metrics.Handler(d.reporter), steer, o.Pages)
	}}
	d.hide()
	return d
}

// stopLimit bounds the clean-up of the kernel's IPVS table.
const stopLimit = 30 * time.Second

// Run loads the configuration, runs it until ctx ends, and stops in order: VRRP
// resigns and its addresses are gone, then checks end, then IPVS is cleaned or kept.
// An error before the start is over means that nothing was changed.
func (d *Daemon) Run(ctx context.Context) error {
	err := d.lead(ctx)
	return d.secrets.Set().Error(err)
}

// lead is Run, with an error that may show secrets.
func (d *Daemon) lead(ctx context.Context) (err error) {
	before := fingerprint(d.opts.Watch, nil)
	c, invalid := d.first(ctx)
	if c == nil {
		return invalid
	}
	if err := preflight(d.opts.Machine, c, nil, d.opts.Strict); err != nil {
		return err
	}
	var director Director
	if len(c.VirtualServers) > 0 {
		if director, err = d.opts.Components.Director(c.Global.State, d.directorEvent); err != nil {
			return fmt.Errorf("virtual servers are configured: %w", err)
		}
	}
	if err := d.open(c); err != nil {
		return err
	}
	d.mu.Lock()
	d.started = time.Now()
	d.mu.Unlock()
	crash, stopped := d.events.recall()
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.opts.LogControl.Set(c.Global.Log.Level, c.Global.Log.Format); err != nil {
		return err
	}
	if invalid != nil {
		d.outcome(invalid) // before anybody can ask
	}
	if crash != "" {
		d.record(events.Event{Kind: "crash", Severity: events.Warning, Reason: crash})
	}
	if !stopped {
		d.withdrawBefore(ctx, c)
	}
	if err := d.start(ctx, c, director); err != nil {
		return err
	}
	if len(d.opts.Watch) > 0 {
		d.parts.watcher = d.run(ctx, "watch", func(ctx context.Context) error { return d.watch(ctx, d.opts.Watch, before) })
	}
	d.parts.hangups = d.run(ctx, "hangups", d.hangups)
	d.parts.compared = d.run(ctx, "comparison of the directors", d.watchPeers)
	if d.opts.Notifier.Heard() {
		d.parts.standing = d.run(ctx, "standing", d.standing)
	}
	d.parts.socket = d.run(ctx, "control socket", func(ctx context.Context) error { return d.keepSocket(ctx, d.servers.socket) })
	return d.serve(ctx)
}

// first is the configuration to start with: the files', or, where they are invalid
// and that is wanted, the last good one together with what is wrong with the files.
func (d *Daemon) first(ctx context.Context) (*conf.Config, error) {
	c, diags := d.load(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("stopped before the configuration was read: %w", err)
	}
	if !diags.HasErrors() {
		d.warn(diags)
		return c, nil
	}
	invalid := &InvalidError{Diagnostics: diags}
	if d.opts.LastGood == "" {
		return nil, invalid
	}
	c, err := LoadLastGood(d.opts.LastGood)
	if err != nil {
		return nil, fmt.Errorf("%w; and no last good configuration: %w", invalid, err)
	}
	d.know(ctx, c)
	return c, fmt.Errorf("%w; the last good configuration runs", invalid)
}

// open takes what only one process can have: the control socket, the state folder
// and the address of the page.
func (d *Daemon) open(c *conf.Config) (err error) {
	if err := d.servers.open(c.Global); err != nil {
		return err
	}
	if d.state, err = openState(c.Global.State); err != nil {
		return errors.Join(err, d.servers.close())
	}
	d.events = &eventStore{state: d.state, ring: d.ring, log: d.log}
	if err := leaveNotice(d.opts.Home, c.Global.State); err != nil {
		return errors.Join(err, d.state.close(), d.servers.close())
	}
	return nil
}

func (d *Daemon) start(ctx context.Context, c *conf.Config, director Director) error {
	d.mu.Lock()
	d.checks, d.bfd = d.opts.Components.Checks(ChecksHandlers{Results: d.relay.health, Events: d.checkEvent, Observe: d.metrics.Observe})
	d.discovery = d.opts.Components.Discovery(c.Global.State, DiscoveryHandlers{Changed: d.found.changed, Events: d.discoveryEvent})
	d.peers = d.opts.Components.Peers(c.Global.State, PeersHandlers{Heard: d.heard, Events: d.peersEvent})
	d.maintenance, d.maintained = d.state.maintenance()
	d.withdrawn = d.state.withdrawn()
	d.onStop = c.Global.OnStop
	d.mu.Unlock()

	d.parts.alerts = d.run(ctx, "alerts", d.alerts.Run)
	d.parts.helpers = d.run(ctx, "helpers", d.relay.run)
	d.parts.keeper = d.run(ctx, "state folder", d.keepLastGood)
	d.parts.journal = d.run(ctx, "events", d.events.keep)
	d.parts.checks = d.run(ctx, "health checks", d.checks.Run)
	d.parts.discovery = d.run(ctx, "discovery", d.discovery.Run)
	d.parts.discovered = d.run(ctx, "discovered servers", d.follow)
	if director != nil {
		d.direct(ctx, director)
	}
	d.parts.peers = d.run(ctx, "peers", d.now().peers.Run)
	if err := d.apply(ctx, c, true); err != nil {
		return err
	}
	d.parts.describes = d.run(ctx, "what peers are told", d.describes)
	d.servers.serve()
	d.ready.Store(true)
	if d.opts.Started != nil {
		d.opts.Started()
	}
	d.ring.Add(events.Event{Kind: "start", Reason: "usher " + d.opts.Version + ": " + summary(c)})
	d.log.Info("started", "version", d.opts.Version, "instances", len(c.Instances), "virtual_servers", len(c.VirtualServers),
		"control", c.Global.Control, "http", c.Global.HTTP)
	d.tell(d.opts.Notifier.Ready(summary(c)))
	return nil
}

// serve is the daemon's life between start and stop.
func (d *Daemon) serve(ctx context.Context) error {
	var watchdog <-chan time.Time
	if every := d.opts.Notifier.WatchdogInterval(); every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		watchdog = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.failed:
			return err
		case <-d.opts.Keep:
			d.keep = true
			return nil
		case <-watchdog:
			if d.alive() {
				d.tell(d.opts.Notifier.Watchdog())
			}
		}
	}
}

// alive tells whether the director gets on with its work. A kernel that refuses
// something is no reason to be killed; one that does not answer is, with servers that
// die and stay in; and so is a lock that is never given back, where this does not return.
func (d *Daemon) alive() bool {
	stuck := d.stuck(d.opts.Notifier.WatchdogInterval())
	if stuck != "" {
		d.log.Error(stuck)
	}
	return stuck == ""
}

// hangups reloads at each signal that asks for it. A large configuration takes its
// time, in which others have to be heard.
func (d *Daemon) hangups(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.opts.Hangup:
			// The outcome is logged and an event; there is nobody to return it to.
			_ = d.Reload(ctx)
		}
	}
}

// stop undoes start, in the order that loses least.
func (d *Daemon) stop() error {
	d.ready.Store(false)
	d.tell(d.opts.Notifier.Stopping())
	d.log.Info("stopping")
	close(d.ending)
	d.resign() // whatever hangs: priority 0 is out and no address is left when it returns
	d.unannounce()
	d.parts.watcher.stop()
	d.parts.hangups.stop()
	d.parts.standing.stop()
	d.parts.compared.stop()
	d.stopRetiring()
	d.parts.socket.stop()
	// A change under way ends first. One that does not, on a kernel that does not answer,
	// must not keep the process.
	if patience, cancel := context.WithTimeout(context.Background(), stopLimit); d.changing.take(patience) {
		defer d.changing.give()
		cancel()
	} else {
		cancel()
		return fmt.Errorf("a change of the configuration does not end; VRRP has resigned, IPVS is left as it is")
	}
	d.parts.describes.stop()
	d.parts.peers.stop()
	d.parts.discovered.stop()
	d.parts.discovery.stop()
	d.parts.checks.stop()
	var err error
	if d.parts.director != nil {
		d.parts.director.stop()
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if stopErr := d.director.Stop(ctx, d.onStopKeep()); stopErr != nil {
			err = fmt.Errorf("clean up IPVS: %w", stopErr)
		}
	}
	d.parts.helpers.stop()
	d.parts.keeper.stop()
	d.parts.alerts.stop() // last: it tells of the stop, too
	d.ring.Add(events.Event{Kind: "stop", Reason: "usher " + d.opts.Version})
	d.parts.journal.stop()
	if saveErr := d.events.save(false); saveErr != nil {
		d.log.Warn("events are not kept for the next start", "error", saveErr)
	}
	err = errors.Join(err, d.servers.close(), d.state.close())
	d.log.Info("stopped")
	return err
}

// keepLastGood saves the last good configuration of reloads.
func (d *Daemon) keepLastGood(ctx context.Context) error {
	d.state.keep(ctx, d.notKept)
	return nil
}

func (d *Daemon) notKept(err error) {
	d.log.Warn("the last good configuration could not be kept", "error", err)
}

func (d *Daemon) onStopKeep() bool {
	return d.keep || d.now().onStop == "keep"
}

// route runs a VRRP process from now on: a configuration without instances has
// none.
func (d *Daemon) route(ctx context.Context, c *conf.Config) VRRP {
	process := d.opts.Components.VRRP(c.Global, d.vrrpEvent, d.secrets.Values)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vrrp = process
	if !d.resigned {
		d.parts.vrrp = d.run(ctx, "vrrp", process.Run)
	}
	return process
}

// resign stops VRRP for good, beside whatever else is under way.
func (d *Daemon) resign() {
	d.mu.Lock()
	d.resigned = true
	process := d.parts.vrrp
	d.mu.Unlock()
	process.stop()
}

// direct runs a director from now on. It may be a reload's: instances may be active.
func (d *Daemon) direct(ctx context.Context, director Director) {
	d.mu.Lock()
	d.director = director
	for instance := range d.active {
		director.SetActive(instance, true)
	}
	d.mu.Unlock()
	d.parts.director = d.run(ctx, "director", director.Run)
}

// tell logs what the service manager could not be told; nothing depends on it.
func (d *Daemon) tell(err error) {
	if err != nil {
		d.log.Warn("service manager", "error", err)
	}
}
