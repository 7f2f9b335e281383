package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
	"usher/vrrp"
)

// What the parts report arrives here, on their own goroutines. Nothing here waits
// or calls back into the part that speaks.

func (d *Daemon) vrrpEvent(e vrrp.Event) {
	d.record(events.FromVRRP(e))
	e.Reason = d.secrets.Text(events.Line(e.Reason))
	d.alerts.VRRP(e)
	if e.Kind != vrrp.EventState || e.Instance == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock() // a director that comes just now is told each role once, in order
	if e.To == vrrp.Active {
		d.active[e.Instance] = true
	} else {
		delete(d.active, e.Instance)
	}
	if d.director != nil {
		d.director.SetActive(e.Instance, e.To == vrrp.Active)
	}
}

func (d *Daemon) directorEvent(e director.Event) {
	d.record(events.FromDirector(e))
	e.Reason = d.secrets.Text(events.Line(e.Reason))
	d.alerts.Director(e)
	// A first probe may decide that a quorum will not be there, which is no change of it.
	if e.Kind == director.EventQuorum || e.Kind == director.EventServer && e.From == string(director.ServerInitial) {
		d.kick()
	}
}

func (d *Daemon) checkEvent(e healthcheck.Event) {
	out := events.Event{Time: e.At, Severity: events.Warning, Kind: string(e.Kind), VirtualServer: e.ID.VirtualServer, Reason: e.Message}
	if e.ID.RealServer.IsValid() {
		out.RealServer = e.ID.RealServer.String()
	}
	if e.Kind == healthcheck.EventCanRun {
		out.Severity = events.Info
	}
	d.ring.Add(out)
}

// health passes a verdict on. It is called from the check engine's goroutine, which
// may wait: probes go on meanwhile.
func (d *Daemon) health(u healthcheck.Update) {
	d.verdicts.Lock()
	defer d.verdicts.Unlock()
	d.mu.Lock()
	dir := d.director
	d.mu.Unlock()
	if dir != nil {
		dir.SetHealth(u)
	}
}

// remind passes on what the checks say of every server: a director that had another
// configuration for a moment has forgotten the servers that this did not have.
func (d *Daemon) remind() {
	d.verdicts.Lock()
	defer d.verdicts.Unlock()
	d.mu.Lock()
	dir, checks := d.director, d.checks
	d.mu.Unlock()
	if dir == nil {
		return
	}
	for _, s := range checks.Statuses() {
		dir.SetHealth(healthcheck.Update{ID: s.ID, Verdict: s.Verdict, At: s.Since})
	}
}

// record remembers an event and logs its one line.
func (d *Daemon) record(e events.Event) {
	e = d.ring.Add(e)
	log := d.log.Info
	switch e.Severity {
	case events.Warning:
		log = d.log.Warn
	case events.Error:
		log = d.log.Error
	}
	log(e.Text(), "event", e.Kind)
}

// kick says that virtual servers may have gained or lost their quorum.
func (d *Daemon) kick() {
	select {
	case d.quorum <- struct{}{}:
	default: // a kick that waits already covers this one
	}
}

// unansweredEvery is how often connections that nobody answered are counted, where
// a check wants to know.
const unansweredEvery = time.Second

// helpers is what the daemon does beside its parts: it tells VRRP of the virtual
// servers and BFD peers that instances track, tells passive checks of unanswered
// connections, and samples the history.
func (d *Daemon) helpers(ctx context.Context) error {
	sample := time.NewTicker(HistoryInterval)
	defer sample.Stop()
	count := time.NewTicker(unansweredEvery)
	defer count.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.quorum:
			d.track()
		case <-count.C:
			d.unanswered()
		case now := <-sample.C:
			d.mu.Lock()
			dir := d.director
			d.mu.Unlock()
			if dir == nil {
				continue
			}
			d.sample(now, dir)
		}
	}
}

// sample adds a value to each small graph.
func (d *Daemon) sample(now time.Time, dir Director) {
	if totals, err := dir.Connections(); err != nil {
		d.log.Debug("no sample for the history", "error", err)
	} else {
		d.history.sample(now, totals)
	}
	if d.history.stale(now) {
		d.history.saw(now, dir.Status())
	}
	d.history.step()
}

// unanswered passes on what IPVS shows of connections that were never answered.
func (d *Daemon) unanswered() {
	d.mu.Lock()
	wanted, dir, checks := d.passive, d.director, d.checks
	d.mu.Unlock()
	if !wanted || dir == nil {
		return
	}
	found, err := dir.Unanswered()
	if err != nil {
		d.log.Debug("unanswered connections could not be counted", "error", err)
		return
	}
	for id, n := range found {
		checks.Unanswered(id, n)
	}
}

// passive says whether a check of c wants to know of unanswered connections.
func passive(c *conf.Config) bool {
	for _, t := range c.Targets() {
		for _, k := range t.Checks {
			if k.Type == healthcheck.TypePassive {
				return true
			}
		}
	}
	return false
}

// adjustment is what a thing that is up or down, for a reason, says under t.
func adjustment(t vrrp.Track, up bool, reason string) vrrp.Adjustment {
	text := fmt.Sprintf("%s %s is down", t.Kind, t.Name)
	if up {
		text = fmt.Sprintf("%s %s is up", t.Kind, t.Name)
	}
	if reason != "" {
		text += ": " + reason
	}
	return t.Adjustment(up, text)
}

// forget drops what is remembered of real servers that c has no more.
func (d *Daemon) forget(c *conf.Config) {
	names := make(map[string]bool, len(c.VirtualServers))
	known := make(map[string]*conf.VirtualServer, len(c.VirtualServers))
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		names[v.Name], known[v.Name] = true, v
	}
	is := func(virtual string, real netip.AddrPort) bool {
		v := known[virtual]
		is := func(r director.RealServer) bool { return r.Address == real }
		return v != nil && (slices.ContainsFunc(v.Real, is) || slices.ContainsFunc(v.Sorry, is))
	}
	d.ring.Forget(is)
	d.history.keep(names, is)
}
