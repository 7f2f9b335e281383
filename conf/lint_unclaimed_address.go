package conf

import (
	"fmt"
	"net/netip"

	"github.com/hashicorp/hcl/v2"
)

// Unclaimed are the virtual servers with an address that no instance holds and that is not
// announced: nothing brings clients here, unless somebody else adds the address. There are none
// in a configuration without instances, where that is how it is meant.
func (c *Config) Unclaimed() map[string]netip.Addr {
	if len(c.Instances) == 0 {
		return nil
	}
	held := map[netip.Addr]bool{}
	for _, i := range c.Instances {
		for _, a := range i.Addresses {
			held[a.Prefix.Addr()] = true
		}
	}
	for _, a := range c.Announce {
		for _, p := range a.Prefixes {
			held[p.Addr()] = true
		}
	}
	var unclaimed map[string]netip.Addr
	for _, v := range c.VirtualServers {
		for _, k := range v.Keys {
			if !k.Address.IsValid() || held[k.Address] {
				continue
			}
			if unclaimed == nil {
				unclaimed = map[string]netip.Addr{}
			}
			unclaimed[v.Name] = k.Address
			break
		}
	}
	return unclaimed
}

// UnclaimedText says what is wrong with an unclaimed address.
func UnclaimedText(a netip.Addr) string {
	return fmt.Sprintf("No vrrp_instance has the address %s: clients reach it here only if something else adds it", a)
}

// unclaimed warns of addresses that no instance holds.
func (b *builder) unclaimed(c *Config) {
	missing := c.Unclaimed()
	for _, v := range c.VirtualServers {
		if a, ok := missing[v.Name]; ok {
			b.warn(b.servers[v.Name].at("address"), "Address of no instance", UnclaimedText(a)+".")
		}
	}
}

func (b *builder) warn(at hcl.Range, summary, detail string) {
	d := complain(summary, detail, at)
	d.Severity = hcl.DiagWarning
	b.diags = append(b.diags, d)
}
