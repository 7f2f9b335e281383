package api

import "time"

// Announcement is some virtual addresses that are announced by BGP.
type Announcement struct {
	Name           string               `json:"name"`
	VirtualServers []string             `json:"virtual_servers"` // that it depends on
	Addresses      []AnnouncementPrefix `json:"addresses"`
	Withdrawn      bool                 `json:"withdrawn,omitempty"` // by `usher withdraw`
	Removed        bool                 `json:"removed,omitempty"`   // by a reload; it ends
	Withdrawals    uint64               `json:"withdrawals"`         // times that an address was taken back
}

// AnnouncementPrefix is one address of an announcement.
type AnnouncementPrefix struct {
	Prefix string     `json:"prefix"`                                    // a host route
	State  string     `json:"state" enum:"announced,draining,withdrawn"` // what routers have of it
	Phase  string     `json:"phase"`                                     // down, binding, waiting, announced, draining, lingering or unbinding
	Reason string     `json:"reason"`                                    // why, in a word: ready, up_delay, quorum, table, maintenance and so on
	Text   string     `json:"text"`                                      // the same for people
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until,omitempty"` // when up_delay, drain_timeout or linger is over
}

// Session is a BGP session with a router.
type Session struct {
	Peer      string     `json:"peer"`
	ASN       uint32     `json:"asn"`
	State     string     `json:"state" enum:"idle,connect,active,open_sent,open_confirm,established"`
	Reason    string     `json:"reason,omitempty"` // why it is not established
	Since     *time.Time `json:"since,omitempty"`
	HoldTime  float64    `json:"hold_time_seconds"` // as negotiated; 0 while it is not established
	Families  []string   `json:"families"`          // ipv4, ipv6: those that the router takes
	BFD       string     `json:"bfd,omitempty"`     // up, down or waiting; absent without BFD
	BFDReason string     `json:"bfd_reason,omitempty"`
	Flaps     uint64     `json:"flaps"`   // times that it was lost
	Refused   uint64     `json:"refused"` // prefixes that the router sent, none of which is taken
}

// Announcing is the request of withdraw and announce.
type Announcing struct {
	Announce string `json:"announce"` // the name of the announce block
}
