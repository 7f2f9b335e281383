package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/director/ipvs"
	"usher/vrrp/timespan"
)

// Announcer announces virtual addresses by BGP.
type Announcer interface {
	Run(ctx context.Context) error
	Apply(ctx context.Context, c announce.Config) error
	// Retire withdraws some prefixes in good order, and returns when their virtual servers
	// may go.
	Retire(ctx context.Context, gone func(announcement string, p netip.Prefix) bool) error
	// Stop withdraws everything likewise, for good.
	Stop(ctx context.Context) error
	// Kick says that virtual servers may have changed.
	Kick()
	SetActive(instance string, active bool)
	SetMaintenance(on bool)
	SetWithdrawn(names []string)
	Status() []announce.Status
	Sessions() []announce.Session
	Warnings() []announce.Warning
	Unclaimed() (uint64, error)
}

// AnnouncerHandlers are what an Announcer asks and tells.
type AnnouncerHandlers struct {
	Pools  func(names []string) []announce.Pool
	Events func(announce.Event)
}

// announceSlack is how much longer than their times say withdrawals are waited for.
const announceSlack = 10 * time.Second

// announces says whether there is anything to announce, or anybody to tell of it.
func announces(c *conf.Config) bool {
	return c.BGP != nil || len(c.Announce) > 0
}

// announce makes the announcements follow c. The first configuration that has any starts them.
func (d *Daemon) announce(ctx context.Context, c *conf.Config) error {
	d.mu.Lock()
	a := d.announcer
	if a == nil && announces(c) && !d.resigned {
		a = d.opts.Components.Announcer(d.bfd, AnnouncerHandlers{Pools: d.relay.pools, Events: d.announceEvent})
		d.announcer = a
		for instance := range d.active {
			a.SetActive(instance, true)
		}
		a.SetMaintenance(d.maintenance)
		a.SetWithdrawn(d.withdrawn)
		d.parts.announcer = d.run(ctx, "announcements", a.Run)
	}
	d.mu.Unlock()
	if a == nil {
		return nil
	}
	return a.Apply(ctx, c.Announcing())
}

// retreat withdraws what c does not announce any more, or has no service for, before those
// services go: as long as routers send, the table has to be there.
func (d *Daemon) retreat(ctx context.Context, c *conf.Config) error {
	now := d.now()
	if now.announcer == nil || now.serving == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, now.serving.Announcing().Longest()+announceSlack)
	defer cancel()
	if err := now.announcer.Retire(ctx, gone(now.serving, c)); err != nil {
		return fmt.Errorf("addresses that are to go could not be withdrawn, so their virtual servers stay: %w", err)
	}
	return nil
}

// gone says which announced prefixes of one configuration the next has not, or has no
// service for any more.
func gone(running, next *conf.Config) func(name string, p netip.Prefix) bool {
	stays := map[ipvs.ServiceKey]bool{}
	for _, v := range next.VirtualServers {
		for _, key := range v.Keys {
			stays[key.Canonical()] = true
		}
	}
	announced := map[netip.Prefix]bool{}
	for _, a := range next.Announce {
		for _, p := range a.Prefixes {
			announced[p] = true
		}
	}
	pools := map[string]*director.VirtualServer{}
	for i := range running.VirtualServers {
		pools[running.VirtualServers[i].Name] = &running.VirtualServers[i].VirtualServer
	}
	return func(name string, p netip.Prefix) bool {
		if !announced[p] {
			return true
		}
		had, has := false, false
		for _, a := range running.Announce {
			if a.Name != name {
				continue
			}
			for _, pool := range a.Pools {
				for _, key := range servicesOf(pools[pool], p.Addr()) {
					had, has = true, has || stays[key.Canonical()]
				}
			}
		}
		return had && !has
	}
}

// servicesOf are the services of a virtual server that an address may lead to: its own, and
// those of firewall marks.
func servicesOf(v *director.VirtualServer, a netip.Addr) []ipvs.ServiceKey {
	if v == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Keys), func(k ipvs.ServiceKey) bool { return k.Mark == 0 && k.Address.Unmap() != a })
}

// losesMoved says which connections an order loses where routers move connections from one
// director to another: another one picks another server for those of a server that takes no
// new ones, unless directors tell each other of connections. "" where there are none.
func losesMoved(c *conf.Config, virtualServer string, mode director.OverrideMode) string {
	of := c.Announced()[virtualServer]
	if y := c.Global.IPVS.Sync; of == "" || mode == director.OverrideNone || y != nil && y.Instance == "" {
		return ""
	}
	return fmt.Sprintf("announce %s: connections of it that routers move to another director from now on are lost, until those are without it, too (ipvs.sync without instance keeps them)", of)
}

// unannounce withdraws everything at the end of the daemon, and ends the sessions.
func (d *Daemon) unannounce() {
	now := d.now()
	if now.announcer == nil {
		return
	}
	limit := announceSlack
	if now.config != nil {
		limit += now.config.Announcing().Longest()
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := now.announcer.Stop(ctx); err != nil {
		d.log.Error("announcements could not be withdrawn in good order; their sessions are closed", "error", err)
	}
	d.mu.Lock()
	task := d.parts.announcer
	d.mu.Unlock()
	task.stop()
}

// pools tells announcements of their virtual servers.
func (r *relay) pools(names []string) []announce.Pool {
	if dir := r.current.now().director; dir != nil {
		return dir.Announceable(names)
	}
	all := make([]announce.Pool, len(names))
	for i, n := range names {
		all[i].Name = n
	}
	return all
}

func (d *Daemon) announceEvent(e announce.Event) {
	d.record(events.FromAnnounce(e))
	e.Text = d.secrets.Text(events.Line(e.Text))
	d.alerts.Announce(e)
}

// Announce lifts an operator's withdrawal of an announcement, or withdraws it. That outlives
// reload and restart.
func (d *Daemon) Announce(_ context.Context, a api.Announcing, on bool, by string) (string, error) {
	c := d.running()
	known := func(x announce.Announcement) bool { return x.Name == a.Announce }
	i := slices.IndexFunc(c.Announce, known)
	if i < 0 {
		return "", unknown("announce", a.Announce, names(c.Announce, func(x announce.Announcement) string { return x.Name }))
	}
	if !d.change(context.Background()) {
		return "", &refusedError{"usher is stopping"}
	}
	defer d.changing.give()
	d.mu.Lock()
	withdrawn := slices.DeleteFunc(slices.Clone(d.withdrawn), func(n string) bool { return n == a.Announce })
	if !on {
		withdrawn = append(withdrawn, a.Announce)
	}
	already := len(withdrawn) == len(d.withdrawn)
	d.withdrawn = withdrawn
	announcer := d.announcer
	d.mu.Unlock()
	if already {
		return a.Announce + ": " + map[bool]string{true: "it was not withdrawn", false: "it is withdrawn already"}[on], nil
	}
	announcer.SetWithdrawn(withdrawn)
	e := events.Event{Kind: "announcement_override", Announcement: a.Announce, To: "withdrawn", Reason: "asked for by " + somebody(by)}
	times := c.Announce[i].Times
	text := fmt.Sprintf("%s: withdrawn in %s, until usher announce %s", a.Announce, timespan.Text(times.DrainTimeout), a.Announce)
	if on {
		e.To = "lifted"
		text = fmt.Sprintf("%s: announced again once all has been well for %s", a.Announce, timespan.Text(times.UpDelay))
	}
	if err := d.state.setWithdrawn(withdrawn); err != nil {
		warning := fmt.Sprintf("a restart would forget it, for it could not be written down: %v", err)
		text, e.Reason, e.Severity = text+"; "+warning, e.Reason+"; "+warning, events.Warning
	}
	d.record(e)
	return text, nil
}

// lines are the names of withdrawn announcements as the state folder has them.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}
