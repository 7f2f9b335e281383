package api

import "time"

// Status is how everything stands: `usher status --json` and GET /api/v1/status.
// The fields' names are a contract; new ones may be added, none changes or goes.
type Status struct {
	RouterID       string          `json:"router_id"`
	Version        string          `json:"version"`
	Instances      []Instance      `json:"instances"`
	VirtualServers []VirtualServer `json:"virtual_servers"`

	// Announcements and Sessions are absent where nothing is announced by BGP.
	Announcements []Announcement `json:"announcements,omitempty"`
	Sessions      []Session      `json:"bgp_sessions,omitempty"`
	// Unclaimed counts packets to announced addresses that IPVS had no service for; they
	// were dropped.
	Unclaimed uint64 `json:"unclaimed_packets,omitempty"`

	Maintenance bool      `json:"maintenance"` // every instance stays back, `usher maintenance on`
	Started     time.Time `json:"started"`
	Reload      *Reload   `json:"reload,omitempty"` // the last one; absent before the first
	Verdict     Verdict   `json:"verdict"`          // whether a person is needed, in one line
	Warnings    []Warning `json:"warnings"`         // what needs a person, worst first
	Settings    []Setting `json:"settings,omitempty"`
	// Directors are all of the group; absent where the configuration has no block peers.
	Directors *Directors `json:"directors,omitempty"`
}

// Instance is one VRRP instance.
type Instance struct {
	Name              string    `json:"name"`
	State             string    `json:"state" enum:"active,backup,fault,initialize"` // active, backup, fault or initialize
	Priority          int       `json:"priority"`
	EffectivePriority int       `json:"effective_priority"`
	ActiveRouter      string    `json:"active_router"` // "" while nobody is known to be active
	VirtualRouterID   int       `json:"virtual_router_id"`
	Interface         string    `json:"interface"`
	Addresses         []string  `json:"addresses"`
	Transitions       uint64    `json:"transitions"`
	Since             time.Time `json:"since"`

	Reason     string      `json:"reason"` // why it is in this state
	Version    int         `json:"version"`
	Group      string      `json:"group,omitempty"`
	Held       bool        `json:"held"`              // the addresses are on this machine
	Leaving    bool        `json:"leaving,omitempty"` // active only until a successor is heard
	SplitBrain *SplitBrain `json:"split_brain,omitempty"`
	// NobodyActiveSince is when an active router was last known, where none is: nobody
	// is known to hold the addresses.
	NobodyActiveSince *time.Time     `json:"nobody_active_since,omitempty"`
	Disagreements     []Disagreement `json:"disagreements,omitempty"` // other routers of it whose adverts are discarded
	Tracks            []Track        `json:"tracks,omitempty"`
	HMAC              *HMAC          `json:"hmac,omitempty"`  // absent where none is configured
	Peers             []Peer         `json:"peers,omitempty"` // other routers of it that were heard, which only active ones are
	Elsewhere         []Elsewhere    `json:"elsewhere,omitempty"`
	Unsent            *Unsent        `json:"unsent,omitempty"`      // absent where the last advertisement was sent
	NotCarried        int            `json:"not_carried,omitempty"` // addresses that advertisements have no room for
	MTU               int            `json:"mtu,omitempty"`         // beside not_carried: of the interface, in bytes
	Statistics        Statistics     `json:"statistics"`
}

// Unsent is why the last advertisement was not sent to all whom it is for.
type Unsent struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// Elsewhere is a virtual address that somebody else put on another interface of this
// machine than the instance has it on.
type Elsewhere struct {
	Address   string    `json:"address"` // with its prefix length
	Interface string    `json:"interface"`
	On        string    `json:"on"` // where the instance has it
	Since     time.Time `json:"since"`
}

// HMAC is how an instance authenticates its advertisements.
type HMAC struct {
	Mode       string  `json:"mode" enum:"receive-only,permissive,enforce"` // receive-only, permissive or enforce
	ActiveKey  int     `json:"active_key"`                                  // that signs
	Keys       []int   `json:"keys"`                                        // that are accepted, by their identifiers
	AntiReplay string  `json:"anti_replay" enum:"time,monotonic"`           // time or monotonic
	Window     float64 `json:"window_seconds"`
}

// Peer is another router of the same virtual router, as it was heard.
type Peer struct {
	Address    string     `json:"address"`
	Key        int        `json:"key"`                   // that signed the last advertisement; 0 for none
	SignedAt   *time.Time `json:"signed_at,omitempty"`   // when the last one with a good trailer came
	UnsignedAt *time.Time `json:"unsigned_at,omitempty"` // when the last one without came, accepted or not
	// ClockOffset is by how much its clock is ahead of this machine's, by the last signed one.
	ClockOffset float64 `json:"clock_offset_seconds"`
}

// Lately is for how long what was heard of a peer is taken for what it does.
const Lately = time.Minute

// HeardUnsigned says whether the last that was heard of a peer had no trailer, and was not
// long ago.
func (p Peer) HeardUnsigned(now time.Time) bool {
	return p.UnsignedAt != nil && now.Sub(*p.UnsignedAt) < Lately && (p.SignedAt == nil || p.SignedAt.Before(*p.UnsignedAt))
}

// HeardSigned says whether the last that was heard of a peer had a good trailer, and was
// not long ago.
func (p Peer) HeardSigned(now time.Time) bool {
	return p.SignedAt != nil && now.Sub(*p.SignedAt) < Lately && (p.UnsignedAt == nil || p.UnsignedAt.Before(*p.SignedAt))
}

// Disagreement is another router of the same virtual router whose adverts are
// discarded, for it is configured otherwise.
type Disagreement struct {
	Peer   string    `json:"peer"`
	Reason string    `json:"reason"` // as in discarded
	Text   string    `json:"text"`
	Since  time.Time `json:"since"`
}

// SplitBrain is another active router, heard while this one is active.
type SplitBrain struct {
	Address  string    `json:"address"`
	Priority int       `json:"priority"` // 0 where it was not heard before it gave way
	Since    time.Time `json:"since"`
}

// Track is what one tracked thing says at present.
type Track struct {
	Name   string `json:"name"` // kind and name, as in script/haproxy
	Fault  bool   `json:"fault"`
	Weight int    `json:"weight"` // added to the priority
	Reason string `json:"reason"`
}

// Statistics are RFC 8347's of one instance, as running totals.
type Statistics struct {
	AdvertsSent          uint64            `json:"adverts_sent"`
	AdvertsReceived      uint64            `json:"adverts_received"`
	PriorityZeroSent     uint64            `json:"priority_zero_sent"`
	PriorityZeroReceived uint64            `json:"priority_zero_received"`
	BecameActive         uint64            `json:"became_active"`
	NewActiveReason      string            `json:"new_active_reason"` // the last time: priority, preempted, no_response; not_active if never
	AddressMismatches    uint64            `json:"address_mismatches"`
	IntervalMismatches   uint64            `json:"interval_mismatches"`
	Discarded            map[string]uint64 `json:"discarded,omitempty"` // by reason
	LastDiscard          *Discard          `json:"last_discard,omitempty"`
	HMACVerified         uint64            `json:"hmac_verified"`     // received with a good trailer
	HMACUnsigned         uint64            `json:"hmac_unsigned"`     // accepted without one, in a mode that allows it
	Repairs              map[string]uint64 `json:"repairs,omitempty"` // of what somebody else did to addresses and the like, by kind
}

// Discard is the last packet that was thrown away.
type Discard struct {
	Reason string    `json:"reason"`
	From   string    `json:"from"`
	At     time.Time `json:"at"`
}

// VirtualServer is one pool.
type VirtualServer struct {
	Name          string       `json:"name"`
	Address       string       `json:"address"`
	Protocol      string       `json:"protocol"`
	Scheduler     string       `json:"scheduler"`
	ForwardMethod string       `json:"forward_method"`
	Up            bool         `json:"up"`
	Quorum        int          `json:"quorum"`
	RealServers   []RealServer `json:"real_servers"`

	Sorry    bool      `json:"sorry"`             // the sorry servers answer
	Removed  bool      `json:"removed,omitempty"` // by a reload; its servers still drain
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Counters Counters  `json:"counters"`
	// Fingerprint tells one pool from another: servers in their order, weights, scheduler.
	// Where directors share the flows it is equal on all of them.
	Fingerprint uint64 `json:"fingerprint"`
	// Discover are the sources of its real servers, beside the configuration.
	Discover []Discovery `json:"discover,omitempty"`
	// Absent are servers that it does not have at present and of which an operator said
	// something: that holds when they are back.
	Absent []AbsentServer `json:"absent,omitempty"`
	// History is the rate of new connections per second, oldest first, one value
	// every HistoryInterval.
	History []uint64 `json:"history,omitempty"`
}

// RealServer is one server of a pool.
type RealServer struct {
	Address             string  `json:"address"`
	ForwardMethod       string  `json:"forward_method"`
	Weight              int     `json:"weight"`                                         // configured
	EffectiveWeight     int     `json:"effective_weight"`                               // in the kernel; 0 while it is out
	State               string  `json:"state" enum:"up,down,draining,disabled,initial"` // up, down, draining, disabled or initial
	Reason              string  `json:"reason"`
	ActiveConnections   uint32  `json:"active_connections"`
	InactiveConnections uint32  `json:"inactive_connections"`
	Checks              []Check `json:"checks"`

	Source   string    `json:"source,omitempty"` // that lists it, by its name in discover; "" for one that is written down
	Sorry    bool      `json:"sorry"`
	Removed  bool      `json:"removed,omitempty"` // by a reload or its source; it drains
	Since    time.Time `json:"since"`
	Override *Override `json:"override,omitempty"`
	Counters Counters  `json:"counters"`
}

// Discovery is one source of real servers.
type Discovery struct {
	Type    string `json:"type" enum:"dns,file,http"` // dns, file or http
	Name    string `json:"name"`
	Servers int    `json:"servers"` // of the virtual server, that it lists
	// Confirmed is when it last gave a good answer, and AgeSeconds how long ago; absent
	// before the first.
	Confirmed  *time.Time `json:"confirmed,omitempty"`
	AgeSeconds *float64   `json:"age_seconds,omitempty"`
	Changed    *time.Time `json:"changed,omitempty"` // when an answer last changed its servers
	// Reason and Error say why the latest answer is none, in a word and for people; FailingSince
	// since when all are none. Absent while it answers.
	Reason       string            `json:"reason,omitempty"`
	Error        string            `json:"error,omitempty"`
	FailingSince *time.Time        `json:"failing_since,omitempty"`
	Errors       map[string]uint64 `json:"errors,omitempty"`   // answers that were none, by reason
	Held         int               `json:"held,omitempty"`     // servers that it no longer lists and that stay until its next answer
	Borrowed     bool              `json:"borrowed,omitempty"` // its servers are those of a source before it, until it answers
	LeftOut      []LeftOut         `json:"left_out,omitempty"`
}

// AbsentServer is a server that a virtual server does not have at present.
type AbsentServer struct {
	Address  string   `json:"address"`
	Override Override `json:"override"`
	Text     string   `json:"text"` // the override in a line
}

// LeftOut is an entry of a source that is no server of the pool.
type LeftOut struct {
	Entry string `json:"entry"`
	Why   string `json:"why"`
}

// Override is what an operator said of a server.
type Override struct {
	Mode   string    `json:"mode" enum:"drain,disable,weight"` // drain, disable or weight
	Weight int       `json:"weight,omitempty"`
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"`

	Until  *time.Time `json:"until,omitempty"`  // when it ends by itself
	Reason string     `json:"reason,omitempty"` // why, in the operator's words
}

// Check is one health check of one server.
type Check struct {
	Type      string    `json:"type"`
	State     string    `json:"state" enum:"up,down,degraded,initial"` // up, down, degraded or initial
	LastError string    `json:"last_error"`                            // "" after a success
	LatencyMS float64   `json:"latency_ms"`
	Since     time.Time `json:"since"`

	Name        string     `json:"name,omitempty"`
	CannotRun   bool       `json:"cannot_run,omitempty"` // last_error says for want of what on this machine
	LastRun     *time.Time `json:"last_run,omitempty"`
	NextRun     *time.Time `json:"next_run,omitempty"`
	Certificate *time.Time `json:"certificate_expiry,omitempty"`
}

// Counters are the kernel's 64-bit totals and rates.
type Counters struct {
	Connections    uint64 `json:"connections"`
	PacketsIn      uint64 `json:"packets_in"`
	PacketsOut     uint64 `json:"packets_out"`
	BytesIn        uint64 `json:"bytes_in"`
	BytesOut       uint64 `json:"bytes_out"`
	ConnectionRate uint64 `json:"connections_per_second"`
	ByteRateIn     uint64 `json:"bytes_in_per_second"`
	ByteRateOut    uint64 `json:"bytes_out_per_second"`
}

// Reload is the outcome of the last reload.
type Reload struct {
	At    time.Time `json:"at"`
	OK    bool      `json:"ok"`
	Error string    `json:"error,omitempty"`
}

// Warning is something that needs a person.
type Warning struct {
	Severity string `json:"severity" enum:"error,warning"` // error or warning
	// What it is about. "health" is what keeps the daemon from its work, "addresses" and
	// "routes" what an instance cannot hold, "kernel" what IPVS refuses.
	Kind    string    `json:"kind" enum:"addresses,announcement,bgp_session,bgp_speaker,certificate,check_cannot_run,clock,config_differs,crash,disagreement,discovery,drift,elsewhere,group_split,health,health_differs,hmac_unsigned,instance_fault,kernel,late,lease,maintenance,min_healthy,neighbours,nobody_active,not_carried,notify,overload,peer_absent,peer_active,peer_refused,peers,pool_differs,process,quorum,reload,routes,split_brain,state,sync_daemon,unclaimed,unsent,witness"`
	Subject string    `json:"subject"` // the instance, virtual server or real server
	Text    string    `json:"text"`
	Since   time.Time `json:"since"`
}

// Setting is a kernel setting that usher holds.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Was   string `json:"was,omitempty"` // what is put back on exit
}
