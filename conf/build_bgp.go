package conf

import (
	"net/netip"
	"slices"

	"usher/director/announce"
)

// bgp makes the speaker and its peers.
func (b *builder) bgp(n *node) (*BGP, *places) {
	own := &places{node: n}
	if n == nil {
		return nil, own
	}
	c := &BGP{}
	c.Local = announce.Local{ASN: uint32(n.number("asn")), RouterID: n.ip("router_id"), GracefulRestart: n.duration("graceful_restart")}
	for _, err := range c.Local.Validate() {
		b.blame(err, own)
	}
	for _, p := range n.all("peer") {
		address, err := netip.ParseAddr(p.label())
		if err != nil {
			b.complain(p.own(), "Not an IP address", "The label of peer must be the router's address, such as 192.0.2.254, not %q.", p.label())
			continue
		}
		if slices.ContainsFunc(c.Peers, func(o announce.Peer) bool { return o.Address == address }) {
			b.complain(p.own(), "Peer given twice", "There is another peer with the address %s.", address)
			continue
		}
		peer := b.peer(p, address)
		for _, err := range peer.Validate(c.Local) {
			b.blame(err, &places{node: p})
		}
		c.Peers = append(c.Peers, peer)
	}
	if len(n.all("peer")) == 0 {
		b.complain(n.own(), "No peer", "bgp has no peer, so nobody hears of what is announced: give a peer block for each router.")
	}
	return c, own
}

func (b *builder) peer(n *node, address netip.Addr) announce.Peer {
	p := announce.Peer{
		Address: address, ASN: uint32(n.number("asn")), Source: n.ip("source"), Port: uint16(n.number("port")), HoldTime: n.duration("hold_time"),
		Password: b.secret(n, "password"), TTLSecurity: n.flag("ttl_security"), MultiHop: uint8(n.number("multihop")),
		NextHop4: n.ip("next_hop4"), NextHop6: n.ip("next_hop6"),
	}
	if n.given("password") && p.Password == "" && !n.bad("password") {
		b.complain(n.at("password"), "Empty password", "password holds nothing; without one, leave the key out.")
	}
	if f := n.one("bfd"); f != nil {
		p.BFD = announce.BFD{MinTX: f.duration("min_tx"), MinRX: f.duration("min_rx"), Multiplier: uint8(f.number("multiplier"))}
		if !f.given("min_rx") {
			p.BFD.MinRX = p.BFD.MinTX
		}
	}
	return p
}

// announcement makes one of its block. Which virtual servers it is of is settled when all
// are known.
func (b *builder) announcement(n *node) announce.Announcement {
	a := announce.Announcement{
		Name: n.label(), Prefixes: n.prefixes("addresses"), Pools: n.texts("virtual_servers"), Require: announce.Require(n.text("require")),
		Times: announceTimes(n), MED: uint32(n.number("med")), Instance: n.text("instance"),
	}
	if v := n.values["communities"]; v != nil && !v.bad {
		for i, text := range n.texts("communities") {
			community, err := announce.ParseCommunity(text)
			if err != nil {
				b.complain(v.item(i), "Not a community", "communities: %s.", err)
			} else if !slices.Contains(a.Communities, community) {
				a.Communities = append(a.Communities, community)
			}
		}
	}
	for _, t := range n.all("track_interface") {
		a.Interfaces = append(a.Interfaces, t.label())
	}
	for _, err := range a.Validate() {
		b.blame(err, &places{node: n})
	}
	return a
}

// announcements makes what is announced, and checks what it refers to.
func (b *builder) announcements(root *node, c *Config) {
	nodes := root.all("announce")
	var own *places
	c.BGP, own = b.bgp(root.one("bgp"))
	var at map[netip.Addr][]int
	if len(nodes) > 0 {
		at = c.serversAt()
	}
	for _, n := range nodes {
		b.announced[n.label()] = n
		a := b.announcement(n)
		b.serves(n, &a, c, at)
		c.Announce = append(c.Announce, a)
	}
	if len(nodes) > 0 && root.one("bgp") == nil {
		b.complain(nodes[0].own(), "Nobody to announce to", "announce needs a bgp block with this director's asn and router_id, and a peer for each router.")
	}
	announced := c.Announced()
	for i := range c.VirtualServers {
		if of := announced[c.VirtualServers[i].Name]; of != "" {
			b.natAnnounced(&c.VirtualServers[i], of)
		}
	}
	errs, of := c.Announcing().ValidateSet()
	for i, err := range errs {
		if of[i] < 0 {
			b.blame(err, own)
		} else {
			b.blame(err, &places{node: nodes[of[i]]})
		}
	}
}

// serversAt are the virtual servers that have a service on an address, by their places.
func (c *Config) serversAt() map[netip.Addr][]int {
	at := make(map[netip.Addr][]int, len(c.VirtualServers))
	for i := range c.VirtualServers {
		for _, key := range c.VirtualServers[i].Keys {
			if key.Address.IsValid() {
				at[key.Address.Unmap()] = append(at[key.Address.Unmap()], i)
			}
		}
	}
	return at
}

// serves settles the virtual servers of an announcement, and what it must not share with
// VRRP. at is that of serversAt.
func (b *builder) serves(n *node, a *announce.Announcement, c *Config, at map[netip.Addr][]int) {
	if a.Instance != "" && !n.values["instance"].bad {
		b.reference("vrrp_instance", a.Instance, b.instances, n.at("instance"))
	}
	if v := n.values["virtual_servers"]; v != nil && !v.bad {
		for i, name := range a.Pools {
			b.reference("virtual_server", name, b.servers, v.item(i))
		}
	}
	addresses := n.values["addresses"]
	if addresses == nil || addresses.bad {
		return
	}
	for i, p := range a.Prefixes {
		for _, in := range c.Instances {
			for _, held := range in.Addresses {
				if held.Prefix.Addr() == p.Addr() {
					b.complain(addresses.item(i), "Address of an instance", "addresses[%d]: vrrp_instance %q holds %s, too. An address is either announced by all directors or held by one: take it out of one of the two.", i, in.Name, p.Addr())
				}
			}
		}
	}
	if n.given("virtual_servers") {
		if len(a.Pools) == 0 && !n.values["virtual_servers"].bad {
			b.complain(n.at("virtual_servers"), "Empty list", "virtual_servers names none, so the addresses would never be announced; without the key, those whose address is among addresses count.")
		}
		return
	}
	var served []int
	for _, p := range a.Prefixes {
		served = append(served, at[p.Addr()]...)
	}
	slices.Sort(served)
	for _, i := range slices.Compact(served) {
		a.Pools = append(a.Pools, c.VirtualServers[i].Name)
	}
	if len(a.Pools) == 0 {
		b.complain(addresses.at, "No virtual server", "No virtual_server has an address among addresses: give one, or name those that are reached otherwise, by a firewall mark say, in virtual_servers.")
	}
}

// Announced are the virtual servers that announcements are of, by name, and the
// announcement of each.
func (c *Config) Announced() map[string]string {
	of := map[string]string{}
	for _, a := range c.Announce {
		for _, name := range a.Pools {
			of[name] = a.Name
		}
	}
	return of
}
