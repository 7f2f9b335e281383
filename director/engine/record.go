package engine

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// record is what is remembered across restarts: what usher owns in the kernel, what
// operators said, and what kernel settings were before.
type record struct {
	// Boot tells this boot of the machine and network namespace from others, whose
	// kernel tables are gone: ownership and settings from there mean nothing here.
	Boot      string                                  `json:"boot"`
	Owned     []ownedService                          `json:"owned,omitempty"`
	Overrides map[string]map[string]director.Override `json:"overrides,omitempty"` // by virtual server and real server
	Ramps     slowStarts                              `json:"ramps,omitempty"`
	Sysctls   map[string]string                       `json:"sysctls,omitempty"`  // values before usher
	Timeouts  *ipvs.Timeouts                          `json:"timeouts,omitempty"` // the same
	Sync      *ipvs.SyncDaemon                        `json:"sync,omitempty"`     // daemon that usher started
	// SyncBefore is another: that of the role before, which lingers, or of the other role.
	SyncBefore *ipvs.SyncDaemon `json:"sync_before,omitempty"`
	SNAT       bool             `json:"snat,omitempty"` // usher's nftables table may be there
}

// ownedService is a key as a file holds it.
type ownedService struct {
	Protocol string     `json:"protocol,omitempty"`
	Address  netip.Addr `json:"address,omitzero"`
	Port     uint16     `json:"port,omitempty"`
	Mark     uint32     `json:"fwmark,omitempty"`
	IPv6     bool       `json:"ipv6,omitempty"`
}

// slowStarts are the servers that come back slowly, by virtual server, and since when.
type slowStarts map[string]map[netip.AddrPort]time.Time

func (r slowStarts) equal(o slowStarts) bool {
	return maps.EqualFunc(r, o, func(a, b map[netip.AddrPort]time.Time) bool {
		return maps.EqualFunc(a, b, time.Time.Equal)
	})
}

// syncs gives the synchronisation daemons that usher started.
func (r *record) syncs() (all []ipvs.SyncDaemon) {
	for _, s := range []*ipvs.SyncDaemon{r.SyncBefore, r.Sync} {
		if s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// setSyncs makes these, two at the most, the ones that usher started.
func (r *record) setSyncs(all []ipvs.SyncDaemon) {
	r.Sync, r.SyncBefore = nil, nil
	if len(all) > 0 {
		r.Sync = &all[len(all)-1]
	}
	if len(all) > 1 {
		r.SyncBefore = &all[0]
	}
}

func (r *record) owns() map[ipvs.ServiceKey]bool {
	owned := make(map[ipvs.ServiceKey]bool, len(r.Owned))
	for _, o := range r.Owned {
		key := ipvs.ServiceKey{Address: o.Address, Port: o.Port, Mark: o.Mark, IPv6: o.IPv6}
		for _, p := range []ipvs.Protocol{ipvs.TCP, ipvs.UDP, ipvs.SCTP} {
			if p.String() == o.Protocol {
				key.Protocol = p
			}
		}
		owned[key.Canonical()] = true
	}
	return owned
}

func (r *record) setOwned(owned map[ipvs.ServiceKey]bool) {
	keys := make([]ipvs.ServiceKey, 0, len(owned))
	for key := range owned {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, ipvs.ServiceKey.Compare)
	r.Owned = make([]ownedService, len(keys))
	for i, key := range keys {
		r.Owned[i] = ownedService{Address: key.Address, Port: key.Port, Mark: key.Mark, IPv6: key.IPv6}
		if key.Mark == 0 {
			r.Owned[i].Protocol = key.Protocol.String()
		}
	}
}

func (r *record) override(vs string, rs netip.AddrPort) director.Override {
	return r.Overrides[vs][rs.String()]
}

func (r *record) setOverride(vs string, rs netip.AddrPort, o director.Override) {
	if o.Mode == director.OverrideNone {
		delete(r.Overrides[vs], rs.String())
		if len(r.Overrides[vs]) == 0 {
			delete(r.Overrides, vs)
		}
		return
	}
	if r.Overrides == nil {
		r.Overrides = map[string]map[string]director.Override{}
	}
	if r.Overrides[vs] == nil {
		r.Overrides[vs] = map[string]director.Override{}
	}
	r.Overrides[vs][rs.String()] = o
}
