package conf

import (
	"fmt"
	"net/netip"
)

// unbound are the source addresses of checks that this machine does not have, each with
// what is wrong, where somebody wants to know. Virtual addresses of the configuration are
// here while their instance is active.
func (c *Config) unbound(there func(string) error) map[netip.Addr]error {
	if there == nil {
		return nil
	}
	asked := map[netip.Addr]bool{}
	for _, i := range c.Instances {
		for _, a := range i.Addresses {
			asked[a.Prefix.Addr()] = true
		}
	}
	var unbound map[netip.Addr]error
	for i := range c.VirtualServers {
		for _, t := range c.VirtualServers[i].Targets {
			for j := range t.Checks {
				a := t.Checks[j].Bind.Addr()
				if !a.IsValid() || a.IsUnspecified() || asked[a] {
					continue
				}
				asked[a] = true
				if err := there(a.String()); err != nil {
					if unbound == nil {
						unbound = map[netip.Addr]error{}
					}
					unbound[a] = err
				}
			}
		}
	}
	return unbound
}

// bound warns of checks whose source address this machine does not have: they say nothing
// of their servers.
func (b *builder) bound(root *node, c *Config) {
	unbound := c.unbound(b.how.addresses)
	if len(unbound) == 0 {
		return
	}
	look := func(n *node) {
		for _, k := range n.all("health_check") {
			v := k.values["bind_address"]
			if v == nil || v.bad {
				continue
			}
			if err := unbound[k.ip("bind_address")]; err != nil {
				b.warnOnce(v.at, "Address of a check is not here", fmt.Sprintf("bind_address is %s: %v. The check judges no server without it.", k.ip("bind_address"), err))
			}
		}
	}
	for _, n := range root.all("virtual_server") {
		look(n)
		for _, kind := range []string{"real_server", "sorry_server"} {
			for _, r := range n.all(kind) {
				look(r)
			}
		}
	}
}
