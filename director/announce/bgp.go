package announce

import (
	"fmt"
	"net/netip"
	"time"
)

// Local is this director as a BGP speaker (RFC 4271).
type Local struct {
	ASN      uint32     // 1..4294967294 (RFC 6793); 23456 and 65535 are no speaker's
	RouterID netip.Addr // BGP Identifier: a valid IPv4 address
	// GracefulRestart is the Restart Time of RFC 4724, whole seconds up to 4095: so long
	// routers go on sending traffic to a director whose session is gone. 0 for off.
	GracefulRestart time.Duration
}

// Peer is a router that this director has a session with. It is a comparable value, so
// that one that a reload has not changed is left alone.
type Peer struct {
	Address  netip.Addr // identity among the peers; with its zone where it is link-local
	ASN      uint32     // the router's; Local.ASN for an internal session
	Source   netip.Addr // this director's end of the session; invalid for what the routing table chooses
	Port     uint16     // TCP port of the router; 0 for 179
	HoldTime time.Duration
	Password string // TCP MD5 (RFC 2385), 1 to 80 bytes; "" for none
	// TTLSecurity has both ends one hop apart: sent with TTL 255, and nothing else is
	// taken (RFC 5082). MultiHop is the TTL of a session over routers in between, 0 for
	// a neighbour's; both at once are invalid.
	TTLSecurity bool
	MultiHop    uint8
	// NextHop4 and NextHop6 are the next hop that the router is told, by family of the
	// prefix; invalid for this director's address of the session, where that is of the family.
	NextHop4, NextHop6 netip.Addr
	BFD                BFD // of no use to a peer of several hops
}

// BFD are the settings of the BFD session that goes with a peer (RFC 5880 to 5882), single
// hop. MinTX 0 is none.
type BFD struct {
	MinTX, MinRX time.Duration
	Multiplier   uint8 // packets that may be missed
}

// Community is one of RFC 1997, as the high and the low half.
type Community uint32

// GracefulShutdown asks routers to prefer any other path (RFC 8326 section 4).
const GracefulShutdown Community = 0xFFFF0000

// String gives the form that routers show, "65000:100".
func (c Community) String() string { return fmt.Sprintf("%d:%d", uint32(c)>>16, uint32(c)&0xFFFF) }

// Path is what is announced of one prefix, to every peer.
type Path struct {
	Prefix      netip.Prefix // masked; /32 or /128 for a host
	Communities []Community  // in the order given, each once
	MED         uint32       // MULTI_EXIT_DISC (RFC 4271 section 5.1.4); sent always, 0 too
}

// SessionState is that of the state machine of RFC 4271 section 8.2.2.
type SessionState string

// The states of a session.
const (
	Idle        SessionState = "idle"
	Connect     SessionState = "connect"
	Active      SessionState = "active"
	OpenSent    SessionState = "open_sent"
	OpenConfirm SessionState = "open_confirm"
	Established SessionState = "established"
)

// Session is a peer as it stands. Reason is for people, and begins in lower case.
type Session struct {
	Peer     netip.Addr
	ASN      uint32
	State    SessionState
	Since    time.Time     // when State became so
	Reason   string        // why it is not established (what the router said, what BFD saw, what may be the password); "" while it is
	HoldTime time.Duration // as negotiated; 0 while not established
	// IPv4 and IPv6 say which families the router takes.
	IPv4, IPv6 bool
	BFD        string // up, down, waiting (not up yet, and the session does not depend on it), "" without BFD
	BFDReason  string
	Flaps      uint64 // times that it went from established to something else
	Refused    uint64 // prefixes that the router sent, none of which is taken
}
