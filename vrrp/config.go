package vrrp

import (
	"net/netip"
	"time"
)

// Defaults of a virtual router, used by conf where a key is not given.
const (
	DefaultPriority    = 100             // RFC 9568 section 5.2.4
	DefaultInterval    = time.Second     // RFC 9568 section 6.1
	DefaultDownAdverts = 3               // RFC 9568 section 6.1: Active_Down_Interval is three intervals and the skew
	DefaultLease       = 2 * time.Second // kernel lifetime of a held address
	OwnerPriority      = 255             // the router whose own addresses are the virtual ones
)

// Config is one virtual router as the operator wants it: one VRID on one
// interface, with the addresses of one or both families in one state. It is
// plain data, so that it can go to the VRRP process as a value.
type Config struct {
	Name      string `json:"name"`
	Interface string `json:"interface"`         // "" for a unicast router that is bound to none: see Unbound
	VRF       string `json:"vrf,omitempty"`     // the VRF's device, where Interface is ""
	VRID      uint8  `json:"virtual_router_id"` // 1..255
	Priority  uint8  `json:"priority"`          // 1..254, 255 for the address owner
	Version   uint8  `json:"version"`           // 2 or 3

	// Interval is the advertisement interval: whole seconds 1..255 in version 2,
	// 10 ms to 40.95 s in steps of 10 ms in version 3.
	Interval time.Duration `json:"advert_interval"`
	// DownAdverts is how many intervals of silence make an active router dead, 1..100.
	DownAdverts int `json:"down_timer_adverts"`

	Addresses []Address `json:"addresses"`
	// NoAddresses is for an instance that advertises no address (Count 0), because
	// failover is a command's. Addresses may have excluded ones then.
	NoAddresses bool `json:"no_virtual_addresses,omitempty"`

	Routes []Route       `json:"routes,omitempty"`
	Rules  []Rule        `json:"rules,omitempty"`
	Bind   Bind          `json:"bind"`
	Lease  time.Duration `json:"lease"` // kernel lifetime of each address; 0 holds it without a lease

	Preempt      bool          `json:"preempt"`
	PreemptDelay time.Duration `json:"preempt_delay"`
	StartupDelay time.Duration `json:"startup_delay"`
	// A change of the interface counts once it has lasted so long; the delay of
	// going down is less than the peers' patience.
	InterfaceUpDelay   time.Duration `json:"interface_up_delay,omitempty"`
	InterfaceDownDelay time.Duration `json:"interface_down_delay,omitempty"`
	// DontTrackPrimary lets the instance stay active though Interface is down: on a cable
	// from one director to the other the carrier goes with the peer.
	DontTrackPrimary bool `json:"dont_track_primary,omitempty"`
	// Accept is RFC 9568's Accept_Mode: whether packets to a virtual address are
	// delivered on a router that does not own it.
	Accept     bool     `json:"accept"`
	VirtualMAC bool     `json:"virtual_mac"` // adverts, ARP and ND from 00:00:5e:00:0{1,2}:VRID on a macvlan
	Checksum   Checksum `json:"checksum"`

	Group4  netip.Addr `json:"multicast_group4"` // 224.0.0.18 where not given
	Group6  netip.Addr `json:"multicast_group6"` // ff02::12 where not given
	Source4 netip.Addr `json:"source4"`          // source of IPv4 adverts; the interface's primary address where not given
	Source6 netip.Addr `json:"source6"`          // source of IPv6 adverts; the link-local address where not given
	Unicast *Unicast   `json:"unicast,omitempty"`

	Password string   `json:"password,omitempty"` // version 2 simple text authentication, 1..8 bytes (RFC 2338 section 5.3.6); "" for none
	HMAC     *HMAC    `json:"hmac,omitempty"`
	Announce Announce `json:"announce"`
	Track    []Track  `json:"track,omitempty"`
	Witness  *Witness `json:"witness,omitempty"`
}

// Address is one virtual address.
type Address struct {
	Prefix    netip.Prefix `json:"prefix"`
	Interface string       `json:"interface,omitempty"` // "" for the instance's own
	Label     string       `json:"label,omitempty"`
	Scope     string       `json:"scope,omitempty"` // global, site, link, host; "" for global
	Excluded  bool         `json:"excluded,omitempty"`
	Untracked bool         `json:"untracked,omitempty"` // the instance stays though Interface, another one than its own, is down
}

// Bind says how a virtual address is made local.
type Bind uint8

// The two ways to make an address local.
const (
	BindAddress    Bind = iota // an address on the interface
	BindLocalRoute             // a route of type local, as `ip route add local VIP dev IFACE`
)

// Checksum says which form of the IPv4 version 3 checksum is sent. Both are
// accepted on receipt.
type Checksum uint8

// The forms found in the field.
const (
	ChecksumAuto         Checksum = iota // with a pseudo-header, until a peer is heard that does without
	ChecksumRFC9568                      // the message only
	ChecksumPseudoHeader                 // with the pseudo-header (keepalived, FRR, MikroTik)
)

// Unicast replaces multicast by adverts to each of some known peers.
type Unicast struct {
	Peers []Peer `json:"peers"`
	TTL   uint8  `json:"ttl"` // of what is sent; 255 where not given
}

// Peer is one known router in unicast mode.
type Peer struct {
	Address netip.Addr `json:"address"`
	MinTTL  uint8      `json:"min_ttl"` // adverts with less are discarded; 0 for no bound
	MaxTTL  uint8      `json:"max_ttl"` // adverts with more are discarded; 0 or 255 for no bound
}

// Announce is the schedule of gratuitous ARP and unsolicited neighbour
// advertisements after a takeover or a contest.
type Announce struct {
	Repeat  int           `json:"repeat"`  // announcements of each address in a burst, at least 1
	Delay   time.Duration `json:"delay"`   // the burst comes again after it; 0 for never
	Refresh time.Duration `json:"refresh"` // one announcement of each address, again and again; 0 for never
	Pace    time.Duration `json:"pace"`    // least time between two announcements on an interface
}

// TrackKind is what a Track watches.
type TrackKind string

// Everything that can be tracked.
const (
	TrackInterface     TrackKind = "interface"
	TrackScript        TrackKind = "script"
	TrackFile          TrackKind = "file"
	TrackProcess       TrackKind = "process"
	TrackVirtualServer TrackKind = "virtual_server"
	TrackBFD           TrackKind = "bfd"
)

// Track ties an instance to the state of something else. With weight 0 the
// instance is in fault while the thing is down; a negative weight is added to
// the priority while it is down, a positive one while it is up.
type Track struct {
	Kind    TrackKind `json:"kind"`
	Name    string    `json:"name"`   // interface, file, process, virtual server or BFD peer; for a script its label
	Weight  int       `json:"weight"` // -253..253; for a file the factor of its number
	Reverse bool      `json:"reverse,omitempty"`

	// The following are a script's, a process's or a file's own.
	Command  []string      `json:"command,omitempty"`
	Interval time.Duration `json:"interval,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	Rise     int           `json:"rise,omitempty"`
	Fall     int           `json:"fall,omitempty"`
	User     string        `json:"user,omitempty"`
	Initial  string        `json:"initial,omitempty"` // "up", "down" or "" (held in fault until the first result, where the weight is 0)
	Quorum   int           `json:"quorum,omitempty"`  // processes that must run; 1 where not given

	// A change of a process or an interface counts once it has lasted so long.
	UpDelay   time.Duration `json:"up_delay,omitempty"`
	DownDelay time.Duration `json:"down_delay,omitempty"`
}

// Key identifies a track within its instance.
func (t Track) Key() string { return string(t.Kind) + "/" + t.Name }

// Adjustment is the present say of one track: a fault, or a number added to the
// priority.
type Adjustment struct {
	Fault  bool   `json:"fault"`
	Weight int    `json:"weight"`
	Reason string `json:"reason"` // for people, as in "script haproxy: exit status 1"
}

// Witness is a second opinion before a takeover: while none of its addresses
// answers, a silent peer is taken for a cut-off self and the instance stays Backup.
type Witness struct {
	Ping     []netip.Addr  `json:"ping"`
	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"`
}

// Route is a route that comes and goes with the addresses.
type Route struct {
	To        netip.Prefix `json:"to"`
	Via       netip.Addr   `json:"via"`
	Source    netip.Addr   `json:"source"`
	Interface string       `json:"interface,omitempty"`
	Table     int          `json:"table,omitempty"` // 0 for main
	Metric    int          `json:"metric,omitempty"`
	MTU       int          `json:"mtu,omitempty"`
	Scope     string       `json:"scope,omitempty"`
	Type      string       `json:"type,omitempty"` // unicast, blackhole, unreachable, prohibit; "" for unicast
	Untracked bool         `json:"untracked,omitempty"`
}

// Rule is a policy rule that comes and goes with the addresses.
type Rule struct {
	From      netip.Prefix `json:"from"`
	To        netip.Prefix `json:"to"`
	Mark      uint32       `json:"mark,omitempty"`
	Mask      uint32       `json:"mask,omitempty"`
	Interface string       `json:"interface,omitempty"`
	Table     int          `json:"table"`
	Priority  int          `json:"priority,omitempty"`
	Untracked bool         `json:"untracked,omitempty"`
}

// Group is a sync group: all its instances are active, or none.
type Group struct {
	Name      string   `json:"name"`
	Instances []string `json:"instances"`
}

// Desired is all that a VRRP process shall run.
type Desired struct {
	Instances []Config `json:"instances"`
	Groups    []Group  `json:"groups,omitempty"`

	// Resigned names the instances that were active in a process before this one, which
	// has died, and when adverts of priority 0 were sent for them.
	Resigned map[string]time.Time `json:"resigned,omitempty"`
}
