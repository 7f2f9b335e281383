package conf

import "time"

// forwards are the forward methods, in the order of the design.
var forwards = []string{"dr", "nat", "tun", "fullnat"}

// schedulers are those of the mainline kernel.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"}

// schedulerFlags are ipvsadm's words for the flags of a scheduler.
var schedulerFlags = []string{"sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"}

func virtualServerBlock() *block {
	return &block{name: "virtual_server", labels: []string{"name"}, many: true,
		doc: "A service on a VIP and the pool of real servers behind it.",
		keys: []key{
			{name: "address", kind: kindText, doc: "`\"192.0.2.1:80\"`, `\"[2001:db8::1]:80\"`; a range of addresses (`\"192.0.2.10-20:80\"`) or ports (`\"192.0.2.1:8000-8009\"`); port 0, every port, needs `persistence`. Either this or `fwmark`."},
			{name: "fwmark", kind: kindNumber, bounds: bounds{1, 1<<32 - 1}, doc: "Firewall mark of the packets of the service, instead of `address`."},
			{name: "family", kind: kindText, oneOf: []string{"ipv4", "ipv6"}, doc: "Family of a `fwmark` service; required there."},
			{name: "protocol", kind: kindText, oneOf: []string{"tcp", "udp", "sctp"}, doc: "Protocol; tcp where not given. A `fwmark` service has none."},
			{name: "scheduler", kind: kindText, value: "wlc", oneOf: schedulers, doc: "IPVS scheduler."},
			{name: "scheduler_flags", kind: kindTexts, oneOf: schedulerFlags, doc: "Flags of the scheduler."},
			{name: "forward_method", kind: kindText, value: "nat", oneOf: forwards, doc: "How packets reach the real servers: dr (direct routing), nat (masquerading), tun (IP in IP) or fullnat (source and destination rewritten)."},
			{name: "one_packet", kind: kindFlag, value: false, doc: "One-packet scheduling (ops), UDP and `fwmark` only."},
			{name: "persistence", kind: kindDuration, step: time.Second, value: time.Duration(0), bounds: span(0, forever), doc: "Time that a client stays with its server, whole seconds; `\"0s\"` for none."},
			{name: "persistence_netmask", kind: kindText, doc: "Clients of one network count as one: a netmask for IPv4, a prefix length for IPv6."},
			{name: "persistence_engine", kind: kindText, oneOf: []string{"sip"}, doc: "Persistence engine."},
			{name: "quorum", kind: kindNumber, value: 1, bounds: bounds{1, 1<<31 - 1}, doc: "Sum of the weights of healthy servers that the service needs; without it the sorry servers answer."},
			{name: "hysteresis", kind: kindNumber, value: 0, bounds: bounds{0, 1<<31 - 1}, doc: "Quorum is gained at `quorum + hysteresis` and lost below `quorum - hysteresis`."},
			{name: "on_failure", kind: kindText, oneOf: []string{"remove", "quiesce"}, doc: "A failed server is taken out of the table, or kept at weight 0 so that its connections live on. `remove` where not given; `quiesce` of a virtual server that an `announce` is of, so that the order of the pool stays the same on all directors."},
			{name: "drain_timeout", kind: kindDuration, value: 60 * time.Second, bounds: span(0, forever), doc: "A server taken out by a person or a reload first goes to weight 0, for so long at most."},
			{name: "slow_start", kind: kindDuration, value: time.Duration(0), bounds: span(0, 24*time.Hour), doc: "Time over which the weight of a returning server grows to its full value."},
			{name: "min_healthy", kind: kindFraction, value: 0.0, bounds: bounds{0, 1}, doc: "Fraction of servers below which failures are taken for a failure of the checks themselves: the last good set is kept, with an alarm. 0 for never."},
			{name: "snat_addresses", kind: kindPrefixes, doc: "Local addresses that fullnat sends from; the outgoing interface's where not given."},
			{name: "weight", kind: kindNumber, value: 1, bounds: bounds{0, 65535}, doc: "Weight of real servers that give none."},
			{name: "upper_threshold", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 1}, doc: "Connections of a server above which it gets no more; 0 for no bound. For real servers that give none."},
			{name: "lower_threshold", kind: kindNumber, value: 0, bounds: bounds{0, 1<<32 - 1}, doc: "Connections below which it gets them again."},
			{name: "initial", kind: kindText, value: "down", oneOf: []string{"down", "up"}, doc: "State of a server until its first probe has answered."},
			{name: "checks_needed", kind: kindNumber, value: 0, bounds: bounds{0, 1000}, doc: "How many of a server's checks must be up; 0 for all."},
			{name: "flap_threshold", kind: kindNumber, value: 0, bounds: bounds{0, 100}, doc: "Changes of a server's state within `flap_window` that hold it down for `flap_hold`; 0 for never."},
			{name: "flap_window", kind: kindDuration, value: time.Minute, bounds: span(time.Second, 24*time.Hour), doc: "Time over which they are counted."},
			{name: "flap_hold", kind: kindDuration, value: time.Minute, bounds: span(time.Second, 24*time.Hour), doc: "Time that it is held."},
		},
		blocks: append([]*block{tunnelBlock(), realServerBlock(), discoverBlock(), sorryServerBlock(), checkBlock()}, alertBlocks(serverWords...)...),
	}
}

func tunnelBlock() *block {
	return &block{name: "tunnel", doc: "Encapsulation of forward method tun.", keys: []key{
		{name: "type", kind: kindText, value: "ipip", oneOf: []string{"ipip", "gue", "gre"}, doc: "IP in IP, GUE or GRE."},
		{name: "port", kind: kindNumber, bounds: bounds{1, 65535}, doc: "UDP port of GUE; required there."},
		{name: "checksum", kind: kindText, value: "none", oneOf: []string{"none", "csum", "remcsum"}, doc: "Checksum of GUE and GRE, `remcsum` (remote checksum offload) GUE only."},
	}}
}

func realServerBlock() *block {
	return &block{name: "real_server", labels: []string{"address"}, many: true,
		doc: "A server of the pool; the label is `address:port`. Without a port it has the service's.",
		keys: []key{
			{name: "weight", kind: kindNumber, bounds: bounds{0, 65535}, doc: "Weight; `weight` of the virtual server where not given. 0 gets no new connections."},
			{name: "forward_method", kind: kindText, oneOf: forwards, doc: "As in the virtual server, for this one alone."},
			{name: "upper_threshold", kind: kindNumber, bounds: bounds{0, 1<<32 - 1}, doc: "As in the virtual server, for this one alone."},
			{name: "lower_threshold", kind: kindNumber, bounds: bounds{0, 1<<32 - 1}, doc: "As in the virtual server, for this one alone."},
			{name: "on_failure", kind: kindText, oneOf: []string{"remove", "quiesce"}, doc: "As in the virtual server, for this one alone."},
		},
		blocks: []*block{tunnelBlock(), checkBlock()},
	}
}

func sorryServerBlock() *block {
	return &block{name: "sorry_server", labels: []string{"address"}, many: true,
		doc: "A server that answers while the quorum is lost; of several, the first that is up. Only checks written here are made of it.",
		keys: []key{
			{name: "weight", kind: kindNumber, value: 1, bounds: bounds{1, 65535}, doc: "Weight."},
			{name: "forward_method", kind: kindText, oneOf: forwards, doc: "As in the virtual server, for this one alone."},
		},
		blocks: []*block{tunnelBlock(), checkBlock()},
	}
}
