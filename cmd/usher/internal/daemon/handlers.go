package daemon

import (
	"net/netip"
	"slices"

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
	if d.announcer != nil {
		d.announcer.SetActive(e.Instance, e.To == vrrp.Active)
	}
}

func (d *Daemon) directorEvent(e director.Event) {
	d.record(events.FromDirector(e))
	e.Reason = d.secrets.Text(events.Line(e.Reason))
	d.alerts.Director(e)
	// A first probe may decide that a quorum will not be there, which is no change of it.
	if e.Kind == director.EventQuorum || e.Kind == director.EventServer && e.From == string(director.ServerInitial) {
		d.relay.kick()
	}
	if a := d.now().announcer; a != nil {
		a.Kick()
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
