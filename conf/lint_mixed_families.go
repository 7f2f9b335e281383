package conf

import (
	"usher/director"
)

// families complains of tunnels between address families beside synchronisation: the
// kernel takes only one of the two (ip_vs_add_dest, start_sync_thread), whichever
// came first.
func (b *builder) families(c *Config) {
	if c.Global.IPVS.Sync == nil {
		return
	}
	for _, v := range c.VirtualServers {
		if len(v.Keys) == 0 || !mixed(v.VirtualServer) {
			continue
		}
		if n := b.servers[v.Name]; n != nil {
			b.complain(n.header, "Address families mixed beside synchronisation",
				"A real server of %q is of another address family than the service. The kernel refuses that while it synchronises connections: leave out global.ipvs.sync, or give real servers of the service's own family.", v.Name)
			continue
		}
		b.diags = append(b.diags, placeless("Address families mixed beside synchronisation", v.Name)) // the thorough way says where
	}
}

// mixed tells whether a server is of another address family than its service.
func mixed(v director.VirtualServer) bool {
	for _, list := range [...][]director.RealServer{v.Real, v.Sorry} {
		for i := range list {
			if list[i].Forward == director.Tun && list[i].Address.Addr().Is6() != v.Keys[0].Is6() {
				return true
			}
		}
	}
	return false
}
