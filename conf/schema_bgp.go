package conf

import (
	"time"

	"usher/director/announce"
)

func bgpBlock() *block {
	return &block{name: "bgp", doc: "This director as a BGP speaker (RFC 4271), for `announce`: it announces virtual addresses as host routes, and takes no route from anybody. It connects to its peers and does not listen.",
		keys: []key{
			{name: "asn", kind: kindNumber, required: true, bounds: bounds{1, 1<<32 - 2}, doc: "Autonomous system of this director."},
			{name: "router_id", kind: kindIP, required: true, doc: "BGP identifier: an IPv4 address of this director, which no other speaker has."},
			{name: "graceful_restart", kind: kindDuration, value: time.Duration(0), step: time.Second, bounds: span(0, 4095*time.Second), doc: "For so long routers go on sending to a director whose session has ended (RFC 4724), in whole seconds; `\"0s\"` for not at all. It needs `bfd` with every peer: a director that is dead would keep its traffic for that long."},
		},
		blocks: []*block{
			{name: "peer", labels: []string{"address"}, many: true, doc: "A router that virtual addresses are announced to, by its address; a link-local one with its interface, as in `fe80::1%eth0`.", keys: []key{
				{name: "asn", kind: kindNumber, required: true, bounds: bounds{1, 1<<32 - 2}, doc: "Autonomous system of the router."},
				{name: "source", kind: kindIP, doc: "This director's end of the session; by the routing table where not given."},
				{name: "port", kind: kindNumber, value: 179, bounds: bounds{1, 65535}, doc: "TCP port of the router."},
				{name: "hold_time", kind: kindDuration, value: 9 * time.Second, step: time.Second, bounds: span(3*time.Second, 65535*time.Second), doc: "After so long without a message the other end counts as dead; the smaller of both ends' holds, and a third of it lies between messages. Whole seconds."},
				{name: "password", kind: kindText, secret: true, doc: "Key of TCP MD5 (RFC 2385), 1 to 80 bytes."},
				{name: "password_file", kind: kindText, doc: "File that holds it, read when the configuration is loaded."},
				{name: "ttl_security", kind: kindFlag, value: false, doc: "Both ends are one hop apart and send with TTL 255, and nothing else is accepted (RFC 5082); the router needs the same setting."},
				{name: "multihop", kind: kindNumber, value: 0, bounds: bounds{0, 255}, doc: "TTL of a session with a router that is further away; 0 for a direct neighbour."},
				{name: "next_hop4", kind: kindIP, doc: "Next hop of IPv4 addresses; this director's end of the session where not given. IPv4 over a session by IPv6 needs it."},
				{name: "next_hop6", kind: kindIP, doc: "Next hop of IPv6 addresses, likewise. IPv6 over a session by IPv4 needs it."},
			}, blocks: []*block{
				{name: "bfd", doc: "A BFD session (RFC 5880, single hop) with the router, by which it sees within moments that this director is gone, and this director that the router is.", keys: []key{
					{name: "min_tx", kind: kindDuration, value: 300 * time.Millisecond, bounds: span(10*time.Millisecond, time.Minute), doc: "Least time between packets sent."},
					{name: "min_rx", kind: kindDuration, bounds: span(10*time.Millisecond, time.Minute), doc: "Least time between packets that can be received; `min_tx` where not given."},
					{name: "multiplier", kind: kindNumber, value: 3, bounds: bounds{1, 255}, doc: "Missed packets that end the session."},
				}},
			}},
		},
	}
}

func announceBlock() *block {
	return &block{name: "announce", labels: []string{"name"}, many: true,
		doc: "Virtual addresses that are announced by BGP instead of being held by a `vrrp_instance`: by every director at once, of which the routers choose one for each flow. An address is on lo while it is announced, and packets to it that IPVS has no service for are dropped and counted, ICMP apart.",
		keys: []key{
			{name: "addresses", kind: kindPrefixes, required: true, doc: "The addresses, as `\"192.0.2.10/32\"`; a bare one means /32 or /128, and there is no other."},
			{name: "virtual_servers", kind: kindTexts, doc: "Virtual servers that have to serve; those whose address is among `addresses` where not given."},
			{name: "require", kind: kindText, value: "all", oneOf: []string{"all", "any"}, doc: "How many of them: with `any`, one is enough. One serves while it has its quorum, or its sorry servers answer."},
			{name: "up_delay", kind: kindDuration, value: 10 * time.Second, bounds: span(0, time.Hour), doc: "How long everything has to be well before the addresses are announced: each announcement and withdrawal has routers move flows to other directors."},
			{name: "drain", kind: kindText, value: "graceful_shutdown", oneOf: []string{"graceful_shutdown", "none"}, doc: "What comes before a planned withdrawal (`usher maintenance on`, `usher withdraw NAME`, a stop, a reload): the community GRACEFUL_SHUTDOWN (RFC 8326) and a bad MED for `drain_timeout`, or nothing. Of a failure everything is withdrawn at once."},
			{name: "drain_timeout", kind: kindDuration, value: 5 * time.Second, bounds: span(0, time.Hour), doc: "How long that is."},
			{name: "linger", kind: kindDuration, value: 5 * time.Second, bounds: span(0, time.Hour), doc: "How long what still comes is forwarded after a withdrawal. Only then the address leaves lo, and then the IPVS table may go."},
			{name: "communities", kind: kindTexts, doc: "Communities (RFC 1997) that the addresses are announced with, as `\"65000:100\"`, or `\"no-export\"`, `\"no-advertise\"`."},
			{name: "med", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 3}, doc: "MULTI_EXIT_DISC; equal on all directors that share the flows."},
			{name: "instance", kind: kindText, doc: "A `vrrp_instance`: announced only while it is active here."},
		},
		blocks: []*block{
			{name: "track_interface", labels: []string{"interface"}, many: true, doc: "An interface without which nothing is announced, such as that of the real servers."},
		},
	}
}

// announceTimes are the times of an announcement.
func announceTimes(n *node) announce.Parameters {
	t := announce.Parameters{UpDelay: n.duration("up_delay"), DrainTimeout: n.duration("drain_timeout"), Linger: n.duration("linger")}
	if n.text("drain") == "none" {
		t.DrainTimeout = 0
	}
	return t
}
