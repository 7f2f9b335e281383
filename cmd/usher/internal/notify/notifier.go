package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/vrrp"
)

// closeWithin bounds what is still delivered when usher stops.
const closeWithin = 5 * time.Second

// Options are what a Notifier needs.
type Options struct {
	Log *slog.Logger
	Run Run // of commands; they fail without it
}

// Notifier tells of changes what the configuration wants told. New makes it, Run
// runs it; everything else may be called at any time and never blocks.
type Notifier struct {
	log *slog.Logger
	run Run

	mu       sync.Mutex
	routerID string
	alerts   map[object][]route
	lanes    map[string]*lane
	ctx      context.Context // of deliveries; nil before Run
	closing  context.Context
	wg       sync.WaitGroup
	failing  map[string]failure // ways out by their name, of those that the last delivery failed by
}

// object is what alerts are configured for.
type object struct {
	kind Kind // Instance, Group, VirtualServer or Announcement
	name string
}

// route is one way out for the changes of an object.
type route struct {
	way
	on   []string
	lane string // name of the lane
}

// New returns a notifier without a configuration.
func New(o Options) *Notifier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Run == nil {
		o.Run = func(context.Context, []string, string, []string) error {
			return errors.New("there is nothing that runs commands here")
		}
	}
	return &Notifier{log: o.Log, run: o.Run, alerts: map[object][]route{}, lanes: map[string]*lane{}, failing: map[string]failure{}}
}

// Apply takes a new configuration. What waits already goes out as it was wanted
// when it happened. The error says which way out cannot be used; the others are.
func (n *Notifier) Apply(c *conf.Config) error {
	b := builder{run: n.run, alerts: map[object][]route{}}
	for _, i := range c.Instances {
		b.add(object{Instance, i.Name}, i.Alerts, c.Global.Alerts)
	}
	for _, g := range c.Groups {
		b.add(object{Group, g.Name}, g.Alerts, c.Global.Alerts)
	}
	for _, v := range c.VirtualServers {
		b.add(object{VirtualServer, v.Name}, v.Alerts, c.Global.Alerts)
	}
	for _, a := range c.Announce {
		b.add(object{Announcement, a.Name}, conf.Alerts{}, c.Global.Alerts)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.routerID, n.alerts = c.Global.RouterID, b.alerts
	used, ways := map[string]bool{}, map[string]bool{}
	for _, routes := range b.alerts {
		for _, r := range routes {
			used[r.lane], ways[r.String()] = true, true
		}
	}
	maps.DeleteFunc(n.failing, func(way string, _ failure) bool { return !ways[way] })
	for name, l := range n.lanes {
		l.retire(!used[name])
	}
	return b.err()
}

// VRRP tells of an instance's or group's change.
func (n *Notifier) VRRP(e vrrp.Event) {
	if c, ok := fromVRRP(e); ok {
		n.put(object{c.Kind, c.Name}, c)
	}
}

// Director tells of a virtual or real server's change.
func (n *Notifier) Director(e director.Event) {
	if c, ok := fromDirector(e); ok {
		n.put(object{VirtualServer, e.VirtualServer}, c)
	}
}

// Announce tells of a change of what is announced by BGP.
func (n *Notifier) Announce(e announce.Event) {
	if c, ok := fromAnnounce(e); ok {
		n.put(object{Announcement, c.Name}, c)
	}
}

func (n *Notifier) put(o object, c Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.RouterID = n.routerID
	for _, r := range n.alerts[o] {
		if !slices.Contains(r.on, c.word()) {
			continue
		}
		l := n.lanes[r.lane]
		if l == nil {
			l = newLane(n.told)
			l.end = func() bool { return n.ended(r.lane, l) }
			n.lanes[r.lane] = l
			if n.ctx != nil {
				n.start(l)
			}
		}
		l.put(delivery{change: c, to: r.way})
	}
}

// failure is a way out that does not work.
type failure struct {
	since time.Time
	last  error
}

// told takes what came of a delivery. That a command fails is its own affair: it ran.
func (n *Notifier) told(d delivery, err error) {
	way := d.to.String()
	n.mu.Lock()
	old, failed := n.failing[way]
	switch _, runs := d.to.(command); {
	case runs:
	case err == nil:
		delete(n.failing, way)
	case failed:
		n.failing[way] = failure{old.since, err}
	default:
		n.failing[way] = failure{time.Now(), err}
	}
	n.mu.Unlock()
	if err == nil {
		return
	}
	n.log.Error("notification not delivered", "to", d.to.String(), "kind", d.change.Kind, "name", d.change.Name, "state", d.change.State, "error", err)
}

// Warnings are the webhooks and mails that do not get through, by name, until one does or
// the configuration has no use for them any more.
func (n *Notifier) Warnings() (all []director.Warning) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, way := range slices.Sorted(maps.Keys(n.failing)) {
		f := n.failing[way]
		all = append(all, director.Warning{Kind: "notify", Since: f.since,
			Text: fmt.Sprintf("notifications do not get out by %s: %v; usher notify --test tries it", way, f.last)})
	}
	return all
}

// ended forgets a lane that is over, and says whether it is. Nothing is put into it
// meanwhile.
func (n *Notifier) ended(name string, l *lane) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !l.over() {
		return false
	}
	delete(n.lanes, name)
	return true
}

// start runs a lane; n is locked.
func (n *Notifier) start(l *lane) {
	ctx, closing := n.ctx, n.closing
	n.wg.Go(func() { l.run(ctx, closing) })
}

// Run delivers until the context ends. What waits then, the stop of the instances
// among it, still has some seconds to go out.
func (n *Notifier) Run(ctx context.Context) error {
	deliveries, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	n.mu.Lock()
	if n.ctx != nil {
		n.mu.Unlock()
		return fmt.Errorf("notify: Run called twice")
	}
	n.ctx, n.closing = deliveries, ctx
	for _, l := range n.lanes {
		n.start(l)
	}
	n.mu.Unlock()
	<-ctx.Done()
	late := time.AfterFunc(closeWithin, stop)
	defer late.Stop()
	n.wg.Wait()
	return nil
}
