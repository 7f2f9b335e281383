package daemon

import (
	"context"
	"net/netip"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/director/discover"
	"usher/director/discover/engine"
	"usher/healthcheck"
	"usher/vrrp"
)

// VRRP is the process that holds the instances, seen from this one.
type VRRP interface {
	Run(ctx context.Context) error
	Apply(vrrp.Desired) error
	Status() []vrrp.Status
	Failover(instance string) error
	// Maintenance holds for a process that is started later, too; without one at
	// this moment it is vrrpproc.ErrNoChild.
	Maintenance(on bool) error
	// Stay takes back every handover that no peer has answered yet.
	Stay() error
	Track(instance, key string, a vrrp.Adjustment)
}

// Checks is the health check engine.
type Checks interface {
	Run(ctx context.Context) error
	Apply([]healthcheck.Target) error
	// ApplyPool gives one virtual server other servers, or others of their checks.
	ApplyPool(virtualServer string, targets []healthcheck.Target) error
	Statuses() []healthcheck.Status
	Unanswered(id healthcheck.ID, n int)
	Stats() healthcheck.Stats
}

// Director keeps the kernel's IPVS table.
type Director interface {
	Run(ctx context.Context) error
	Configure(ctx context.Context, s director.Settings) error
	Apply(ctx context.Context, servers []director.VirtualServer) error
	// ApplyOne gives one of the virtual servers other real servers, say.
	ApplyOne(ctx context.Context, vs director.VirtualServer) error
	SetHealth(healthcheck.Update)
	SetActive(instance string, active bool)
	Override(virtualServer string, realServer netip.AddrPort, o director.Override) (director.Effect, error)
	// Hear takes overrides of other directors, also of servers that are not here (yet).
	Hear([]director.Said) error
	Overrides() ([]director.Said, error)
	// Empties tells what becomes of clients where an override leaves no server to them.
	Empties(virtualServer string, realServer netip.AddrPort, o director.Override) string
	Status() []director.VirtualServerStatus
	Connections() (map[string]uint64, error)
	Quorum(virtualServer string) (up bool, reason string, known bool)
	// Announceable tells how virtual servers stand to announcements of their addresses.
	Announceable(names []string) []announce.Pool
	Stats() director.Stats
	Settings() []director.SettingStatus
	Warnings() []director.Warning
	// Unanswered counts connections that were begun and never answered.
	Unanswered() (map[healthcheck.ID]int, error)
	plan.Planner
	Stop(ctx context.Context, keep bool) error
}

// Alerts tells people and programs outside what happened, in order.
type Alerts interface {
	Run(ctx context.Context) error
	Apply(*conf.Config) error
	VRRP(vrrp.Event)
	Director(director.Event)
	Announce(announce.Event)
	// Warnings are ways out by which nothing gets through.
	Warnings() []director.Warning
}

// Components makes the domains' engines. The command line gives the real ones, tests
// give doubles.
type Components struct {
	// VRRP is told where events go, and which values nothing shows.
	VRRP   func(g conf.Global, events func(vrrp.Event), secrets func() []string) VRRP
	Checks func(ChecksHandlers) (Checks, BFD)
	Alerts func() Alerts
	// Discovery asks sources of real servers, and keeps what they said in the state folder.
	Discovery func(state string, h DiscoveryHandlers) Discovery
	// Peers makes a group with other directors, and keeps what is shared in the state folder.
	Peers func(state string, h PeersHandlers) Peers
	// Look asks each source of pools once, on top of what a state folder has of them.
	Look func(ctx context.Context, pools []discover.Config, state string) *engine.Once
	// Director opens the kernel's IPVS; an error says that it is not there or not
	// for us, and nothing was changed.
	Director func(state string, events func(director.Event)) (Director, error)
	// Announcer makes what announces addresses by BGP. It is asked for once, and only where a
	// configuration has something to announce.
	Announcer func(sessions BFD, h AnnouncerHandlers) Announcer
	// Withdraw removes what a process that is gone held of some instances, and puts back
	// the kernel settings that it kept in the state folder; it tells what it did.
	Withdraw func(ctx context.Context, state string, instances []vrrp.Config) (done []string, err error)
}

// ChecksHandlers is where the health check engine delivers.
type ChecksHandlers struct {
	Results func(healthcheck.Update)
	Events  func(healthcheck.Event)
	Observe func(healthcheck.Type, healthcheck.Result)
}
