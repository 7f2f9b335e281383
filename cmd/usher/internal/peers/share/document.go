package share

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bounds of a document.
const (
	MaxDocument = 96 << 10 // bytes, written: half of them for parts
	MaxParts    = 1024
	MaxDown     = 256
	MaxPools    = 256
	maxRoles    = 256
	maxPart     = 300 // bytes of a part's name
	maxDigest   = 64
	maxWord     = 32
	maxWhy      = 120
	maxKeys     = 4
)

// documentKept is for how long the document of a member is kept that writes no new one; it
// writes one every minute.
const documentKept = 48 * time.Hour

// Document is what a member says of itself, and nobody else does.
type Document struct {
	Name        string    `json:"name"`
	Stamp       Stamp     `json:"stamp"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
	Maintenance bool      `json:"maintenance,omitempty"`
	Roles       []Role    `json:"roles,omitempty"` // of its instances, by name
	// Parts are digests of the parts of its configuration, by name of the part. Those of
	// two members can be compared where Form and PartsKey are the same.
	Parts    map[string]string `json:"parts,omitempty"`
	PartsCut int               `json:"parts_cut,omitempty"` // that had no room
	Form     string            `json:"form,omitempty"`      // of the configuration that they are digests of
	PartsKey string            `json:"parts_key,omitempty"` // names the key that they are made with
	// Servers are its real servers, and ServersUp those that are up.
	Servers   int `json:"servers,omitempty"`
	ServersUp int `json:"servers_up,omitempty"`
	// Down are the real servers that are not up as it sees them.
	Down    []Health `json:"down,omitempty"`
	DownCut int      `json:"down_cut,omitempty"` // that had no room
	Keys    []string `json:"keys,omitempty"`     // fingerprints of the keys that it reads
	// Pools are the fingerprints of virtual servers that it announces with others, by name:
	// those that pick the same server for a flow have the same.
	Pools map[string]string `json:"pools,omitempty"`
}

// Role is the part that a member has in one VRRP instance.
type Role struct {
	Instance        string    `json:"instance"`
	VirtualRouterID int       `json:"virtual_router_id"`
	State           string    `json:"state"`    // active, backup, fault or initialize
	Priority        int       `json:"priority"` // the effective one
	Since           time.Time `json:"since"`
}

// Health is a real server that is not up.
type Health struct {
	VirtualServer string         `json:"virtual_server"`
	RealServer    netip.AddrPort `json:"real_server"`
	State         string         `json:"state"` // in the words of the checks
	Since         time.Time      `json:"since"`
	Reason        string         `json:"reason,omitempty"`
}

// Bounded is the document within the bounds: texts are cut, and what has no room is
// counted instead. The same document always becomes the same.
func (d Document) Bounded() Document {
	d.Name, d.Version, d.Started = cut(d.Name, maxName), cut(d.Version, maxName), moment(d.Started)
	d.Form, d.PartsKey = cut(d.Form, maxDigest), cut(d.PartsKey, maxDigest)
	d.Roles = slices.Clone(d.Roles)
	slices.SortFunc(d.Roles, func(a, b Role) int { return cmp.Compare(a.Instance, b.Instance) })
	d.Roles = d.Roles[:min(len(d.Roles), maxRoles)]
	for i := range d.Roles {
		r := &d.Roles[i]
		r.Instance, r.State, r.Since = cut(r.Instance, maxServer), cut(r.State, maxWord), moment(r.Since)
	}
	d.Down = slices.Clone(d.Down)
	slices.SortFunc(d.Down, func(a, b Health) int {
		return cmp.Or(cmp.Compare(a.VirtualServer, b.VirtualServer), a.RealServer.Compare(b.RealServer))
	})
	for i := range d.Down {
		h := &d.Down[i]
		h.VirtualServer, h.State, h.Since, h.Reason = cut(h.VirtualServer, maxServer), cut(h.State, maxWord), moment(h.Since), cut(h.Reason, maxWhy)
	}
	if len(d.Down) > MaxDown {
		d.DownCut += len(d.Down) - MaxDown
		d.Down = d.Down[:MaxDown]
	}
	d.boundParts()
	d.boundPools()
	for d.size() > MaxDocument && len(d.Down) > 0 { // long names: the parts matter more
		keep := len(d.Down) / 2
		d.DownCut += len(d.Down) - keep
		d.Down = d.Down[:keep]
	}
	return d
}

// boundParts keeps the first parts by name, as many as there is room for.
func (d *Document) boundParts() {
	const each = 2 // colon and comma
	room := MaxDocument / 2
	parts := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(d.Parts)) {
		digest := d.Parts[name]
		room -= quoted(name) + quoted(digest) + each
		if room < 0 || len(parts) == MaxParts || !named(name, maxPart) || !named(digest, maxDigest) {
			d.PartsCut++
			continue
		}
		parts[name] = digest
	}
	if d.Parts = parts; len(parts) == 0 {
		d.Parts = nil
	}
}

// boundPools keeps the first pools by name, in a part of the room of Down. One that has
// none is not compared.
func (d *Document) boundPools() {
	room := MaxDocument / 8
	pools := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(d.Pools)) {
		print := d.Pools[name]
		room -= quoted(name) + quoted(print) + 2
		if room < 0 || len(pools) == MaxPools || !named(name, maxServer) || !named(print, maxDigest) {
			continue
		}
		pools[name] = print
	}
	if d.Pools = pools; len(pools) == 0 {
		d.Pools = nil
	}
}

// quoted is what a line takes in JSON, where a few characters are written as up to six.
func quoted(s string) int {
	n := len(s) + 2
	for _, c := range []byte(s) {
		if strings.IndexByte(`"\<>&`, c) >= 0 {
			n += 5
		}
	}
	return n
}

// size is an upper bound of what the document takes when it is written, its parts apart,
// which have their own half of the room.
func (d Document) size() int {
	const each = 200 // names of fields, address, times
	n := MaxDocument/2 + 1024 + 2*quoted(d.Name) + quoted(d.Version)
	for _, r := range d.Roles {
		n += each + quoted(r.Instance) + quoted(r.State)
	}
	for _, h := range d.Down {
		n += each + quoted(h.VirtualServer) + quoted(h.State) + quoted(h.Reason)
	}
	for name, print := range d.Pools {
		n += quoted(name) + quoted(print) + 2
	}
	return n
}

// check gives what is wrong with a document that somebody sent; nil for nothing. What a
// member writes is within its own bounds.
func (d Document) check() error {
	if !named(d.Name, maxName) || d.Stamp.Origin != d.Name || d.Stamp.Wall <= 0 || !line(d.Version, maxName) || !line(d.Form, maxDigest) || !line(d.PartsKey, maxDigest) {
		return Invalid
	}
	if min(d.PartsCut, d.DownCut, d.Servers, d.ServersUp) < 0 {
		return Invalid
	}
	if len(d.Roles) > maxRoles || len(d.Parts) > MaxParts || len(d.Down) > MaxDown || len(d.Keys) > maxKeys || len(d.Pools) > MaxPools {
		return Invalid
	}
	for _, r := range d.Roles {
		if !named(r.Instance, maxServer) || !named(r.State, maxWord) || uint(r.VirtualRouterID) > 255 || uint(r.Priority) > 255 {
			return Invalid
		}
	}
	for name, digest := range d.Parts {
		if !named(name, maxPart) || !named(digest, maxDigest) {
			return Invalid
		}
	}
	for name, print := range d.Pools {
		if !named(name, maxServer) || !named(print, maxDigest) {
			return Invalid
		}
	}
	for _, h := range d.Down {
		if !named(h.VirtualServer, maxServer) || !h.RealServer.IsValid() || !named(h.State, maxWord) || !line(h.Reason, maxWhy) {
			return Invalid
		}
	}
	for _, k := range d.Keys {
		if !named(k, maxDigest) {
			return Invalid
		}
	}
	return nil
}

// Says tells whether two documents say the same, whenever that was written.
func (d Document) Says(o Document) bool {
	return d.Name == o.Name && d.Version == o.Version && d.Started.Equal(o.Started) && d.Maintenance == o.Maintenance &&
		d.PartsCut == o.PartsCut && d.DownCut == o.DownCut && d.Form == o.Form && d.PartsKey == o.PartsKey && d.Servers == o.Servers && d.ServersUp == o.ServersUp &&
		slices.Equal(d.Keys, o.Keys) && maps.Equal(d.Parts, o.Parts) && maps.Equal(d.Pools, o.Pools) &&
		slices.EqualFunc(d.Roles, o.Roles, func(a, b Role) bool {
			return a.Instance == b.Instance && a.VirtualRouterID == b.VirtualRouterID && a.State == b.State && a.Priority == b.Priority && a.Since.Equal(b.Since)
		}) &&
		slices.EqualFunc(d.Down, o.Down, func(a, b Health) bool {
			return a.VirtualServer == b.VirtualServer && a.RealServer == b.RealServer && a.State == b.State && a.Since.Equal(b.Since) && a.Reason == b.Reason
		})
}
