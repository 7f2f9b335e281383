package conf

import (
	"slices"

	"usher/director"
	"usher/director/ipvs"
)

// answerless warns of one-packet scheduling by nat: the kernel keeps no connection by
// which it would know an answer again, and lets it go out with the real server's own
// address. Only for the calls of SIP it finds out (ip_vs_new_conn_out).
func (b *builder) answerless(c *Config) {
	for _, v := range c.VirtualServers {
		s := v.Service
		if s.Flags&ipvs.OnePacket == 0 || s.Engine == "sip" ||
			!slices.ContainsFunc(v.Real, func(r director.RealServer) bool { return r.Forward == director.NAT }) {
			continue
		}
		b.warn(b.servers[v.Name].at("one_packet"), "Answers keep the server's address",
			"With one_packet and nat the answers of real servers reach clients from the servers' own addresses, and most clients drop them; use dr or tun, unless nobody waits for an answer.")
	}
}
