package vrrp

import (
	"net/netip"
	"time"
)

// State is a state of RFC 9568 section 6.3, and of usher's own Fault: Initialize,
// held there by something that is wrong.
type State uint8

// The states. Initialize is the zero value, in which nothing is held or sent.
const (
	Initialize State = iota
	Backup
	Active
	Fault
)

// String gives the name that status, metrics and notify commands use.
func (s State) String() string {
	switch s {
	case Initialize:
		return "initialize"
	case Backup:
		return "backup"
	case Active:
		return "active"
	case Fault:
		return "fault"
	}
	return "invalid"
}

// MarshalText makes a State a word in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote; an unknown word is Initialize, the
// state in which nothing is claimed.
func (s *State) UnmarshalText(b []byte) error {
	*s = Initialize
	for _, c := range []State{Backup, Active, Fault} {
		if string(b) == c.String() {
			*s = c
		}
	}
	return nil
}

// Status is one instance as it stands now.
type Status struct {
	Name              string     `json:"name"`
	State             State      `json:"state"`
	Reason            string     `json:"reason"` // why it is in this state, for people
	Priority          uint8      `json:"priority"`
	EffectivePriority uint8      `json:"effective_priority"`
	ActiveRouter      netip.Addr `json:"active_router"` // who is active as far as this router knows; invalid where unknown
	VRID              uint8      `json:"virtual_router_id"`
	Version           uint8      `json:"version"`
	Interface         string     `json:"interface"`
	Group             string     `json:"group,omitempty"`
	Addresses         []string   `json:"addresses"`
	Held              bool       `json:"held"`              // whether the addresses are on this machine
	Leaving           bool       `json:"leaving,omitempty"` // active, but only until a successor is heard
	// NobodyActiveSince is when an active router was last known, where this one is not
	// and has heard none for Active_Down_Interval: nobody is known to hold the addresses.
	NobodyActiveSince *time.Time     `json:"nobody_active_since,omitempty"`
	Transitions       uint64         `json:"transitions"`
	Since             time.Time      `json:"since"`
	SplitBrain        *SplitBrain    `json:"split_brain,omitempty"`
	Tracks            []TrackState   `json:"tracks,omitempty"`
	Disagreements     []Disagreement `json:"disagreements,omitempty"`
	Peers             []PeerStatus   `json:"peers,omitempty"`  // that were heard, by address
	HMAC              *HMACStatus    `json:"hmac,omitempty"`   // nil where none is configured
	Unsent            *Unsent        `json:"unsent,omitempty"` // nil where the last advert went to all whom it is for
	// NotCarried is how many addresses the adverts do not list, for they would not fit a
	// packet of the interface, whose MTU is beside it. They are held like the others.
	NotCarried int `json:"not_carried,omitempty"`
	MTU        int `json:"mtu,omitempty"`
	// Elsewhere are virtual addresses that somebody else put on this machine to stay, on
	// other interfaces than the instance has them on.
	Elsewhere []Elsewhere `json:"elsewhere,omitempty"`
	Stats     Stats       `json:"stats"`
}

// SplitBrain is another active router heard while this one is active.
type SplitBrain struct {
	Address  netip.Addr `json:"address"`
	Priority uint8      `json:"priority"` // 0 where it was not heard before it gave way
	Since    time.Time  `json:"since"`
}

// Disagreement is what another router of this virtual router, or of its addresses, does
// otherwise: its adverts are discarded, so that both take themselves for the only one.
type Disagreement struct {
	Peer   netip.Addr `json:"peer"`
	Reason Discard    `json:"reason"`
	Text   string     `json:"text"` // who, what differs, and what to change
	Since  time.Time  `json:"since"`
}

// Unsent is why the last advert of an active router was not sent.
type Unsent struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// Elsewhere is an IPv4 virtual address on an interface of this machine that is not the
// instance's. As arp_ignore of the instance's interface says, the kernel answers ARP for
// it there, whoever is active. (IPv6 answers for the addresses of an interface on that.)
type Elsewhere struct {
	Prefix    netip.Prefix `json:"prefix"`
	Interface string       `json:"interface"`
	On        string       `json:"on"` // where the instance has it
	Since     time.Time    `json:"since"`
}

// PeerStatus is another router of the virtual router that was heard. Only active ones
// are: a backup router sends nothing.
type PeerStatus struct {
	Address netip.Addr `json:"address"`
	Key     uint8      `json:"key"` // that signed the last advert; 0 for none
	// When the last advert with a good trailer was heard, and the last one without a
	// trailer, whether it was accepted or not; zero for never.
	SignedAt   time.Time `json:"signed_at"`
	UnsignedAt time.Time `json:"unsigned_at"`
	// ClockOffset is by how many whole seconds its clock is ahead of this router's, by the
	// last signed advert.
	ClockOffset time.Duration `json:"clock_offset"`
}

// HeardAt is when it was heard the last time.
func (p PeerStatus) HeardAt() time.Time {
	if p.SignedAt.After(p.UnsignedAt) {
		return p.SignedAt
	}
	return p.UnsignedAt
}

// HMACStatus is how an instance authenticates its adverts, without the keys' secrets.
type HMACStatus struct {
	Mode       HMACMode      `json:"mode"`
	ActiveKey  uint8         `json:"active_key"`
	Keys       []uint8       `json:"keys"`
	AntiReplay AntiReplay    `json:"anti_replay"`
	Window     time.Duration `json:"window"`
}

// TrackState is the present say of one track.
type TrackState struct {
	Key        string     `json:"key"`
	Adjustment Adjustment `json:"adjustment"`
}

// Stats are RFC 8347's statistics of one virtual router (section 3,
// container statistics), as running totals.
type Stats struct {
	AdvertsSent          uint64             `json:"adverts_sent"`
	AdvertsReceived      uint64             `json:"adverts_received"`
	PriorityZeroSent     uint64             `json:"priority_zero_sent"`
	PriorityZeroReceived uint64             `json:"priority_zero_received"`
	BecameActive         uint64             `json:"became_active"`
	NewActiveReason      NewActiveReason    `json:"new_active_reason"`
	Discarded            map[Discard]uint64 `json:"discarded,omitempty"`
	AddressMismatches    uint64             `json:"address_mismatches"`  // counted, never a reason to discard
	IntervalMismatches   uint64             `json:"interval_mismatches"` // adverts with another interval than ours; in version 2 they are discarded as well
	LastDiscard          *DiscardRecord     `json:"last_discard,omitempty"`
	HMACVerified         uint64             `json:"hmac_verified"` // adverts with a good trailer; not of RFC 8347
	HMACUnsigned         uint64             `json:"hmac_unsigned"` // accepted without one, in a mode that allows it
	// Repairs is how often something was put right that somebody else had done to what the
	// instance holds, by its kind; not of RFC 8347.
	Repairs map[ObjectKind]uint64 `json:"repairs,omitempty"`
}

// ObjectKind is a kind of what an instance holds in the kernel.
type ObjectKind string

// The kinds.
const (
	ObjectAddress    ObjectKind = "address"
	ObjectLocalRoute ObjectKind = "local_route"
	ObjectRoute      ObjectKind = "route"
	ObjectRule       ObjectKind = "rule"
	ObjectMacvlan    ObjectKind = "macvlan"
	ObjectLink       ObjectKind = "link" // a macvlan's being up
	ObjectSetting    ObjectKind = "setting"
	ObjectFilter     ObjectKind = "filter" // the nftables table of an instance that does not accept
)

// ObjectKinds are all of them.
var ObjectKinds = [...]ObjectKind{
	ObjectAddress, ObjectLocalRoute, ObjectRoute, ObjectRule, ObjectMacvlan, ObjectLink, ObjectSetting, ObjectFilter,
}

// NewActiveReason is why a virtual router became active the last time (RFC 8347 section
// 3, new-master-reason-type, with RFC 9568's word for a master).
type NewActiveReason string

// The reasons.
const (
	NotActive        NewActiveReason = "not_active"  // it never was
	ActivePriority   NewActiveReason = "priority"    // its own was the highest: the owner's, or the peer's was 0, a resignation
	ActivePreempted  NewActiveReason = "preempted"   // it preempted a router of a lower priority
	ActiveNoResponse NewActiveReason = "no_response" // no active router was heard
)

// NewActiveReasons are all of them.
var NewActiveReasons = [...]NewActiveReason{NotActive, ActivePriority, ActivePreempted, ActiveNoResponse}

// DiscardRecord is the last packet that was thrown away.
type DiscardRecord struct {
	Reason Discard    `json:"reason"`
	From   netip.Addr `json:"from"`
	At     time.Time  `json:"at"`
}

// EventKind says what happened to an instance.
type EventKind string

// What instances report.
const (
	EventState           EventKind = "state"            // a transition; From and To are set
	EventPriority        EventKind = "priority"         // the effective priority changed
	EventSplitBrain      EventKind = "split_brain"      // another active router was heard while active
	EventSplitBrainEnd   EventKind = "split_brain_end"  // and is heard no more
	EventAddressRepaired EventKind = "address_repaired" // somebody removed an address; it was put back
	EventAddressFailed   EventKind = "address_failed"   // an address could not be held
	EventAddressEnd      EventKind = "address_end"      // and everything is as it shall be by now
	EventRouteFailed     EventKind = "route_failed"     // a route or a rule of it could not be set; it is active all the same
	EventRouteEnd        EventKind = "route_end"        // and all are set by now
	EventWitness         EventKind = "witness"          // a takeover was withheld: this router seems cut off
	EventWitnessEnd      EventKind = "witness_end"      // and the witness answers again, or the question is settled
	EventDiscard         EventKind = "discard"          // a packet was discarded (at most once a minute per sender and reason)
	EventDisagreement    EventKind = "disagreement"     // adverts of this virtual router are discarded: another router is configured otherwise
	EventDisagreementEnd EventKind = "disagreement_end" // and none have been for a while
	EventAuthentication  EventKind = "authentication"   // a peer began to sign, signs with another key, or does not sign any more
	EventMismatch        EventKind = "address_mismatch" // a peer advertises other addresses
	EventLate            EventKind = "late"             // the process was stalled past its own deadline
	EventSend            EventKind = "send_failed"      // an advertisement could not be sent (at most once a minute per destination)
	EventHandover        EventKind = "handover"         // a handover found no successor
	EventProcess         EventKind = "process"          // the VRRP process died, or was started again
)

// Event is one thing that happened to one instance, with its reason.
type Event struct {
	Time     time.Time  `json:"time"`
	Instance string     `json:"instance"`
	Group    string     `json:"group,omitempty"` // set where a whole sync group changed
	Kind     EventKind  `json:"kind"`
	From     State      `json:"from"`
	To       State      `json:"to"`
	Priority uint8      `json:"priority"` // the effective one at that time
	Peer     netip.Addr `json:"peer"`
	Reason   string     `json:"reason"`
}
