package conf

import (
	"time"

	"usher/vrrp"
)

func instanceBlock() *block {
	return &block{name: "vrrp_instance", labels: []string{"name"}, many: true,
		doc: "A virtual router: one VRID on one interface, with the addresses that it floats, of one or both families.",
		keys: []key{
			{name: "interface", kind: kindText, doc: "Interface of the advertisements and, where they name no other, of the addresses. It may be left out with `unicast`, its `source` and `peers`, and an interface for each address: advertisements then go by the routing table."},
			{name: "vrf", kind: kindText, doc: "VRF to send and hear in where no `interface` is given; an interface brings its own."},
			{name: "virtual_router_id", kind: kindNumber, required: true, bounds: bounds{1, 255}, doc: "VRID, the same on all routers of the group."},
			{name: "priority", kind: kindNumber, value: vrrp.DefaultPriority, bounds: bounds{1, 255}, doc: "1 to 254; 255 for the owner of the addresses."},
			{name: "version", kind: kindNumber, value: 3, bounds: bounds{2, 3}, doc: "VRRP version: 3 (RFC 9568) or 2 (RFC 3768, IPv4 only)."},
			{name: "advert_interval", kind: kindDuration, value: vrrp.DefaultInterval, bounds: span(10*time.Millisecond, 255*time.Second), doc: "Time between advertisements. Version 3: 10ms to 40.95s in steps of 10 ms; version 2: whole seconds to 255s."},
			{name: "down_timer_adverts", kind: kindNumber, value: vrrp.DefaultDownAdverts, bounds: bounds{1, 100}, doc: "Missed advertisements after which an active router counts as dead."},
			{name: "virtual_addresses", kind: kindPrefixes, doc: "The VIPs, as `\"192.0.2.1/24\"`; a bare address means /32 or /128. With `virtual_address` blocks, these come first. One that this machine has already, and not by usher, holds the instance in fault: it is neither removed nor handed to a peer. The owner (priority 255) has its own on the machine; they are adopted. An advertisement lists up to 255 IPv4 addresses, and as many of the first IPv6 ones as fit the interface's MTU, reckoned as keepalived does: of 1500 bytes 89, or 88 signed by `authentication` of type `hmac`. The others are held all the same, and status warns."},
			{name: "no_virtual_addresses", kind: kindFlag, value: false, doc: "The instance advertises no address (Count 0), so that `virtual_addresses` may be missing and each `virtual_address` must be `excluded`: for failover by a command, as of a cloud's address. All routers of the group need it in version 3, others discard a Count of 0 (RFC 9568 section 5.2.5). Its family is that of its unicast peers or source, else IPv4."},
			{name: "bind", kind: kindText, value: "address", oneOf: []string{"address", "local_route"}, doc: "How a VIP is made local: as an address of the interface or by a route of type local."},
			{name: "lease", kind: kindDuration, value: vrrp.DefaultLease, bounds: span(0, time.Hour), doc: "Kernel lifetime of a VIP, renewed while usher lives; `\"0s\"` holds it without a lease. Where it is not given and adverts are faster than every second, it is shortened to the whole seconds that end before peers take over (`down_timer_adverts` times `advert_interval`, and the skew), but not below 1s, the shortest that the kernel has. It matters only where all three processes of usher are dead at once, for each resigns for another that dies: then a lease longer than that leaves the VIP on two directors for the difference, and with `\"0s\"` it stays until `usher withdraw`, which the unit runs, or a new start."},
			{name: "preempt", kind: kindFlag, value: true, doc: "Take over from an active router of lower priority."},
			{name: "preempt_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, 1000*time.Second), doc: "Wait before that."},
			{name: "startup_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, 1000*time.Second), doc: "Stay out for so long after the start."},
			{name: "interface_down_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, 1000*time.Second), doc: "The interface counts as down only when it has been for so long: less than `down_timer_adverts - 1` times `advert_interval`, so that no peer has taken over meanwhile."},
			{name: "interface_up_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, 1000*time.Second), doc: "It counts as up again only when it has been for so long."},
			{name: "dont_track_primary", kind: kindFlag, value: false, doc: "The instance goes on though its `interface` is down, as long as it is there, instead of being in fault: for a cable that joins two directors and nothing else, where the carrier goes when the peer is switched off, with the addresses on other interfaces (`virtual_address`), which are tracked as always. Where the cable alone breaks, both are active."},
			{name: "accept", kind: kindFlag, value: true, doc: "RFC 9568's Accept_Mode: whether packets to a VIP are delivered on a router that does not own it."},
			{name: "virtual_mac", kind: kindFlag, value: false, doc: "Use the virtual router MAC address 00:00:5e:00:01:VRID (IPv6: 02) on a macvlan."},
			{name: "checksum", kind: kindText, value: "auto", oneOf: []string{"auto", "rfc9568", "pseudo_header"}, doc: "Form of the IPv4 version 3 checksum that is sent; both are accepted. `auto` sends the one with the pseudo-header until a peer is heard that does without."},
			{name: "multicast_group4", kind: kindIP, doc: "IPv4 group; 224.0.0.18 where not given."},
			{name: "multicast_group6", kind: kindIP, doc: "IPv6 group; ff02::12 where not given."},
			{name: "source4", kind: kindIP, doc: "Source of IPv4 advertisements; the interface's primary address where not given."},
			{name: "source6", kind: kindIP, doc: "Source of IPv6 advertisements; the link-local address where not given."},
		},
		blocks: append(append(addressBlocks(), trackBlocks()...), alertBlocks(instanceWords...)...),
	}
}

func addressBlocks() []*block {
	track := key{name: "track", kind: kindFlag, value: true, doc: "While `interface` is down or not there, the instance is in fault, as with its own; false leaves it active without what is on that interface."}
	return []*block{
		{name: "virtual_address", labels: []string{"address"}, many: true, doc: "A VIP with attributes of its own.", keys: []key{
			{name: "interface", kind: kindText, doc: "Interface that holds it; the instance's where not given."},
			{name: "label", kind: kindText, doc: "Address label, as `ip addr` shows it."},
			{name: "scope", kind: kindText, value: "global", oneOf: []string{"global", "site", "link", "host"}, doc: "Address scope."},
			{name: "excluded", kind: kindFlag, value: false, doc: "Hold and announce it, but leave it out of the advertisements."},
			track,
		}},
		{name: "virtual_route", labels: []string{"to"}, many: true, doc: "A route that comes and goes with the VIPs; the label is a prefix or `default` (`default6`).", keys: []key{
			{name: "via", kind: kindIP, doc: "Gateway."},
			{name: "source", kind: kindIP, doc: "Preferred source address."},
			{name: "interface", kind: kindText, doc: "Outgoing interface."},
			{name: "table", kind: kindNumber, value: 0, bounds: bounds{0, 1<<31 - 1}, doc: "Routing table; 0 for main."},
			{name: "metric", kind: kindNumber, value: 0, bounds: bounds{0, 1<<31 - 1}, doc: "Metric."},
			{name: "mtu", kind: kindNumber, value: 0, bounds: bounds{0, 65535}, doc: "MTU; 0 for the interface's."},
			{name: "scope", kind: kindText, oneOf: []string{"global", "site", "link", "host"}, doc: "Scope."},
			{name: "type", kind: kindText, value: "unicast", oneOf: []string{"unicast", "blackhole", "unreachable", "prohibit"}, doc: "Route type."},
			track,
		}},
		{name: "virtual_rule", many: true, doc: "A policy rule that comes and goes with the VIPs.", keys: []key{
			{name: "from", kind: kindPrefix, doc: "Source prefix."},
			{name: "to", kind: kindPrefix, doc: "Destination prefix."},
			{name: "mark", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 1}, doc: "Firewall mark."},
			{name: "mask", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 1}, doc: "Mask of the mark."},
			{name: "interface", kind: kindText, doc: "Incoming interface."},
			{name: "table", kind: kindNumber, required: true, bounds: bounds{1, 1<<31 - 1}, doc: "Table to look up."},
			{name: "priority", kind: kindNumber, value: 0, bounds: bounds{0, 1<<31 - 1}, doc: "Preference; 0 lets the kernel choose."},
			track,
		}},
		{name: "unicast", doc: "Advertisements to known peers instead of multicast.", keys: []key{
			{name: "source", kind: kindIP, doc: "Source address, as `source4` or `source6` by its family."},
			{name: "peers", kind: kindIPs, doc: "The other routers."},
			{name: "ttl", kind: kindNumber, value: 255, bounds: bounds{1, 255}, doc: "TTL or hop limit of what is sent."},
		}, blocks: []*block{
			{name: "peer", labels: []string{"address"}, many: true, doc: "A peer with bounds on the TTL of its advertisements.", keys: []key{
				{name: "min_ttl", kind: kindNumber, value: 0, bounds: bounds{0, 255}, doc: "Less is discarded; 0 for no bound."},
				{name: "max_ttl", kind: kindNumber, value: 255, bounds: bounds{0, 255}, doc: "More is discarded."},
			}},
		}},
		authenticationBlock(),
		{name: "garp", doc: "Gratuitous ARP and unsolicited neighbour advertisements.", keys: []key{
			{name: "repeat", kind: kindNumber, value: 5, bounds: bounds{1, 100}, doc: "Announcements of each address after a takeover."},
			{name: "delay", kind: kindDuration, value: 5 * time.Second, bounds: span(0, time.Hour), doc: "They come again after it; `\"0s\"` for never."},
			{name: "refresh", kind: kindDuration, value: 60 * time.Second, bounds: span(0, 24*time.Hour), doc: "One announcement of each address, again and again; `\"0s\"` for never."},
			{name: "pace", kind: kindDuration, value: time.Duration(0), bounds: span(0, 10*time.Second), doc: "Least time between two announcements on an interface."},
		}},
		{name: "witness", doc: "A second opinion before a takeover: while none of its addresses answers, a silent peer is taken for a cut-off self and the instance stays backup.", keys: []key{
			{name: "ping", kind: kindIPs, required: true, doc: "Addresses that are pinged, the gateway for example."},
			{name: "interval", kind: kindDuration, value: time.Second, bounds: span(100*time.Millisecond, time.Hour), doc: "Time between pings."},
			{name: "timeout", kind: kindDuration, value: time.Second, bounds: span(10*time.Millisecond, time.Minute), doc: "Wait for an answer."},
		}},
	}
}

func authenticationBlock() *block {
	return &block{name: "authentication", doc: "What shows that an advertisement comes from a router of the group. `hmac` is the trailer of keepalived 2.4.2 and later, for versions 2 and 3: a hash under a key that all routers share, over the message, its sender and its time. `pass` is the simple text of version 2 (RFC 2338), which is no protection: anybody on the network can read it.", keys: []key{
		{name: "type", kind: kindText, required: true, oneOf: []string{"hmac", "pass"}, doc: "Which of the two; the keys of the other have no place beside it."},
		{name: "password", kind: kindText, secret: true, doc: "Of `pass`: 1 to 8 bytes."},
		{name: "password_file", kind: kindText, doc: "File that holds the password, read when the configuration is loaded."},
		{name: "active_key", kind: kindNumber, bounds: bounds{1, 255}, doc: "Of `hmac`, which requires it: the `key` that signs; all others are accepted as well."},
		{name: "mode", kind: kindText, value: string(vrrp.HMACEnforce), oneOf: []string{"receive-only", "permissive", "enforce"}, doc: "Step of a roll-out: `receive-only` sends no trailer and accepts advertisements without, `permissive` sends one and accepts without, `enforce` sends one and requires one. A trailer that is there has to be good in all three. Routers without this block discard every signed advertisement: have all of them in `receive-only` before one signs."},
		{name: "anti_replay", kind: kindText, value: string(vrrp.AntiReplayTime), oneOf: []string{"time", "monotonic"}, doc: "How a recorded advertisement is told from a new one. In both, each one of a sender has to be later than the one before. `time` refuses also what is further than `window` from this machine's clock, so that clocks have to be set (NTP); `monotonic` does not look at the clock, and after a start takes the first that comes for new."},
		{name: "window", kind: kindDuration, bounds: span(time.Second, vrrp.MaxHMACWindow), step: time.Second, doc: "How far clocks may be apart, in whole seconds; three times `advert_interval` in whole seconds where not given, and at least 5s, at most 300s, as in keepalived."},
	}, blocks: []*block{
		{name: "key", labels: []string{"id"}, many: true, doc: "A key of `hmac`; its label is a number from 1 to 255, the same on all routers.", keys: []key{
			{name: "secret", kind: kindText, secret: true, doc: "32 to 64 bytes: printable ASCII, or `hex:` and digits. Best `file(\"...\")` or `credential(\"...\")`; a file that others than its owner and group may read is refused."},
			{name: "secret_file", kind: kindText, doc: "File that holds the secret, read when the configuration is loaded."},
		}},
	}}
}

func trackBlocks() []*block {
	weight := func(value int) key {
		return key{name: "weight", kind: kindNumber, value: value, bounds: bounds{-253, 253}, doc: "0: fault while down. Negative: added to the priority while down; positive: while up."}
	}
	reverse := key{name: "reverse", kind: kindFlag, value: false, doc: "Swap up and down."}
	rise := key{name: "rise", kind: kindNumber, value: 1, bounds: bounds{1, 1000}, doc: "Successes in a row that bring it up."}
	fall := key{name: "fall", kind: kindNumber, value: 1, bounds: bounds{1, 1000}, doc: "Failures in a row that take it down."}
	initial := key{name: "initial", kind: kindText, oneOf: []string{"up", "down"}, doc: "State until the first result. Where not given, an instance with weight 0 is held in fault until then."}
	return []*block{
		{name: "track_interface", labels: []string{"interface"}, many: true, doc: "The state of another interface.", keys: []key{
			weight(0), reverse,
			{name: "up_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, time.Hour), doc: "It counts as up only when it has been up for so long."},
			{name: "down_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, time.Hour), doc: "It counts as down only when it has been down for so long."},
		}},
		{name: "track_script", labels: []string{"name"}, many: true, doc: "A command, run again and again; exit status 0 is up. It finds `PATH` (the system's folders), `HOME`, `USER`, `LOGNAME` and `USHER_RUN` in its environment, and has a plain user's limits, schedule and OOM score. What it leaves running when it ends is killed.", keys: []key{
			{name: "command", kind: kindTexts, required: true, doc: "Program and arguments, run without a shell."},
			{name: "interval", kind: kindDuration, value: time.Second, bounds: span(100*time.Millisecond, 24*time.Hour), doc: "Time between starts."},
			{name: "timeout", kind: kindDuration, bounds: span(10*time.Millisecond, 24*time.Hour), doc: "After it, the command is killed and counts as failed; `interval` where not given."},
			rise, fall, weight(0), reverse, initial,
			{name: "user", kind: kindText, doc: userDoc},
		}},
		{name: "track_file", labels: []string{"path"}, many: true, doc: "A number in a file, times `weight`, is added to the priority; -254 and less is a fault. With weight 0, any number but 0 is a fault.", keys: []key{
			{name: "weight", kind: kindNumber, value: 1, bounds: bounds{-253, 253}, doc: "Factor of the number."}, reverse,
		}},
		{name: "track_process", labels: []string{"process"}, many: true, doc: "A process, by its name; heard from the kernel, not polled.", keys: []key{
			weight(0), reverse,
			{name: "quorum", kind: kindNumber, value: 1, bounds: bounds{1, 65535}, doc: "How many must run."},
			{name: "up_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, time.Hour), doc: "They count as running only when they have run for so long."},
			{name: "down_delay", kind: kindDuration, value: time.Duration(0), bounds: span(0, time.Hour), doc: "They count as gone only when they have been gone for so long: a restart is none."},
		}},
		{name: "track_virtual_server", labels: []string{"virtual_server"}, many: true, doc: "Whether a virtual server has its quorum: without it, let the other director have the VIP.", keys: []key{weight(0), reverse}},
		{name: "track_bfd", labels: []string{"bfd"}, many: true, doc: "A BFD session, by the name of its `bfd` block.", keys: []key{weight(0), reverse}},
	}
}

func groupBlock() *block {
	return &block{name: "vrrp_sync_group", labels: []string{"name"}, many: true,
		doc: "Instances that are all active, or none.",
		keys: []key{
			{name: "instances", kind: kindTexts, required: true, doc: "Names of `vrrp_instance` blocks."},
		},
		blocks: alertBlocks(groupWords...),
	}
}

func bfdBlock() *block {
	return &block{name: "bfd", labels: []string{"name"}, many: true,
		doc: "A BFD session (RFC 5880, single hop) to a router, for `track_bfd`.",
		keys: append([]key{
			{name: "address", kind: kindIP, required: true, doc: "The neighbour."},
			{name: "interface", kind: kindText, doc: "Interface that it is on; by the routing table where not given. A link-local neighbour needs it."},
			{name: "mark", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 1}, doc: "Firewall mark of its packets (SO_MARK)."},
		}, bfdKeys()...),
	}
}

// bfdKeys are shared with the health check of the same name.
func bfdKeys() []key {
	return []key{
		{name: "source", kind: kindIP, doc: "Own address; by the routing table where not given."},
		{name: "min_tx", kind: kindDuration, value: 300 * time.Millisecond, bounds: span(time.Millisecond, time.Minute), doc: "Least time between packets sent."},
		{name: "min_rx", kind: kindDuration, value: 300 * time.Millisecond, bounds: span(time.Millisecond, time.Minute), doc: "Least time between packets that can be received."},
		{name: "multiplier", kind: kindNumber, value: 3, bounds: bounds{1, 255}, doc: "Missed packets that end the session."},
		{name: "passive", kind: kindFlag, value: false, doc: "Wait for the neighbour to speak first."},
	}
}
