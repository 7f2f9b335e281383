package director

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"usher/director/internal/parallel"
	"usher/director/ipvs"
)

// schedulers are the kernel's, by the names that ipvsadm has for them.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"}

// Schedulers gives the names of every scheduler of the kernel.
func Schedulers() []string { return slices.Clone(schedulers) }

// Validate gives everything that is wrong with a virtual server, as *FieldError.
func (vs VirtualServer) Validate() []error {
	c := checker{}
	c.check(&vs)
	return c.errs
}

// ValidateSet validates each virtual server and what they must not share: names
// and services.
func ValidateSet(servers []VirtualServer) []error {
	own := make([][]error, len(servers)) // of each
	parallel.Parts(len(servers), func(from, to int) {
		c := checker{}
		for i := from; i < to; i++ {
			c.check(&servers[i])
			own[i], c.errs = c.errs, nil
		}
	})
	var errs []error
	names := make(map[string]bool, len(servers))
	owner := make(map[ipvs.ServiceKey]string, len(servers))
	for i := range servers {
		vs := &servers[i]
		errs = append(errs, own[i]...)
		if names[vs.Name] {
			errs = append(errs, &FieldError{Name: vs.Name, Key: "name", Problem: "there is another virtual server of this name"})
		}
		names[vs.Name] = true
		for _, key := range vs.Services() {
			key = key.Canonical()
			if other, taken := owner[key]; taken {
				problem := fmt.Sprintf("the service %s is that of virtual server %q, too", key, other)
				if other == vs.Name {
					problem = fmt.Sprintf("the service %s is there twice", key)
				}
				errs = append(errs, &FieldError{Name: vs.Name, Key: "address", Problem: problem,
					Hint: "a service can belong to one virtual server only"})
				break
			}
			owner[key] = vs.Name
		}
	}
	return errs
}

// checker gathers what is wrong with virtual servers, one at a time.
type checker struct {
	vs   *VirtualServer
	seen map[netip.AddrPort]bool // servers, real and sorry, where they are many
	errs []error
}

// check looks at one virtual server.
func (c *checker) check(vs *VirtualServer) {
	c.vs = vs
	if c.seen = nil; len(vs.Real)+len(vs.Sorry) > few {
		c.seen = make(map[netip.AddrPort]bool, len(vs.Real)+len(vs.Sorry))
	}
	c.service()
	c.pool()
	c.servers("real_server", vs.Real, nil)
	c.servers("sorry_server", vs.Sorry, vs.Real)
	c.snat()
}

func (c *checker) add(key, problem, mend string) {
	c.errs = append(c.errs, &FieldError{Name: c.vs.Name, Key: key, Problem: problem, Hint: mend})
}

func (c *checker) service() {
	vs, s := c.vs, c.vs.Service
	persistent := s.Flags&ipvs.Persistent != 0
	if vs.Name == "" {
		c.add("name", "it has no name", "")
	}
	if len(vs.Keys) == 0 {
		c.add("address", "it has no service address", "")
	}
	for _, key := range vs.Keys {
		switch {
		case key.Mark != 0:
			continue
		case !key.Address.IsValid():
			c.add("address", "it has neither an address nor a firewall mark", "")
		case !slices.Contains([]ipvs.Protocol{ipvs.TCP, ipvs.UDP, ipvs.SCTP}, key.Protocol):
			c.add("protocol", fmt.Sprintf("%s is no protocol of IPVS", key.Protocol), "use tcp, udp or sctp")
		case key.Port == 0 && !persistent:
			c.add("address", "port 0, every port, works with persistence only", "give a port, or persistence")
		}
		if key.Address.IsValid() && (key.Address.IsUnspecified() || key.Address.IsMulticast()) {
			c.add("address", fmt.Sprintf("%s is no address that a service can have", key.Address), "")
		}
	}
	if !slices.Contains(schedulers, s.Scheduler) {
		c.add("scheduler", fmt.Sprintf("%q is no scheduler of the kernel", s.Scheduler), "use one of "+strings.Join(schedulers, " "))
	}
	if s.Flags&(ipvs.Sched1|ipvs.Sched2) != 0 && s.Scheduler != "sh" && s.Scheduler != "mh" {
		c.add("scheduler_flags", fmt.Sprintf("scheduler %s has no flags", s.Scheduler), "sh and mh have: fallback and port")
	}
	if s.Flags&ipvs.OnePacket != 0 {
		for _, key := range vs.Keys {
			if key.Mark == 0 && key.Protocol != ipvs.UDP {
				c.add("one_packet", fmt.Sprintf("one-packet scheduling is for udp and firewall marks, not for %s", key.Protocol), "")
				break
			}
		}
	}
	c.persistence(persistent)
}

func (c *checker) snat() {
	for i, p := range c.vs.SNAT {
		key := fmt.Sprintf("snat_addresses[%d]", i)
		switch {
		case !p.IsValid():
			c.add(key, "it is no address or prefix", "")
		case len(c.vs.Keys) > 0 && p.Addr().Is6() != c.vs.Keys[0].Is6():
			c.add(key, fmt.Sprintf("%s is of another address family than the service", p), "")
		}
	}
	if len(c.vs.SNAT) > 0 && len(c.vs.snatRules()) == 0 {
		c.add("snat_addresses", "they need forward_method fullnat", "")
	}
}

func (c *checker) persistence(persistent bool) {
	s := c.vs.Service
	if !persistent {
		if s.Engine != "" {
			c.add("persistence_engine", "a persistence engine needs persistence", "")
		}
		return
	}
	if s.Persistence == 0 || s.Persistence > 31*24*3600 {
		c.add("persistence", fmt.Sprintf("%d s is outside 1 s to 31 days", s.Persistence), "")
	}
	if s.Engine != "" && s.Engine != "sip" {
		c.add("persistence_engine", fmt.Sprintf("%q is no persistence engine of the kernel", s.Engine), "use sip")
	}
	if s.Engine == "sip" {
		for _, key := range c.vs.Keys {
			if key.Mark == 0 && key.Protocol != ipvs.UDP {
				c.add("persistence_engine", "the engine sip works with udp only", "")
				break
			}
		}
	}
	for _, key := range c.vs.Keys {
		if s.Netmask > key.Bits() {
			c.add("persistence_netmask", fmt.Sprintf("/%d is longer than an address of the service, which has %d bits", s.Netmask, key.Bits()), "")
			break
		}
	}
}

func (c *checker) pool() {
	vs := c.vs
	total := 0
	for _, rs := range vs.Real {
		total += max(rs.Weight, 0)
	}
	switch {
	case vs.Quorum < 1:
		c.add("quorum", fmt.Sprintf("%d is below 1", vs.Quorum), "")
	case len(vs.Real) > 0 && vs.Quorum > max(total, 1) && !vs.Discovered:
		c.add("quorum", fmt.Sprintf("%d can never be reached: all weights together are %d", vs.Quorum, total), "")
	case vs.Hysteresis < 0 || vs.Hysteresis >= vs.Quorum && vs.Hysteresis > 0:
		c.add("hysteresis", fmt.Sprintf("%d is outside 0 to quorum-1, which is %d", vs.Hysteresis, vs.Quorum-1), "")
	case vs.Hysteresis > 0 && vs.Quorum+vs.Hysteresis > total && !vs.Discovered:
		c.add("hysteresis", fmt.Sprintf("quorum and hysteresis, %d, can never be reached: all weights together are %d", vs.Quorum+vs.Hysteresis, total), "")
	}
	if vs.MinHealthy < 0 || vs.MinHealthy > 1 {
		c.add("min_healthy", fmt.Sprintf("%g is outside 0 to 1", vs.MinHealthy), "it is a fraction of the servers")
	}
	if vs.DrainTimeout < 0 {
		c.add("drain_timeout", "it is negative", "")
	}
	if vs.SlowStart < 0 {
		c.add("slow_start", "it is negative", "")
	}
	c.onFailure("on_failure", vs.OnFailure)
}

// element is one server of a list. Its key is written only where it is needed:
// most servers are right.
type element struct {
	block string
	index int
}

func (e element) key() string { return fmt.Sprintf("%s[%d]", e.block, e.index) }

// servers looks at a list, before which there was another.
func (c *checker) servers(block string, list, earlier []RealServer) {
	for i := range list {
		at, rs := element{block, i}, &list[i]
		if !rs.Address.Addr().IsValid() {
			c.add(at.key(), "it has no address", "")
			continue
		}
		if a := rs.Address.Addr().Unmap(); a.IsUnspecified() || a.IsMulticast() || a == broadcast { // the kernel refuses them
			c.add(at.key(), fmt.Sprintf("%s is no address that a server can have", a), "")
			continue
		}
		if c.again(rs.Address, earlier, list[:i]) {
			c.add(at.key(), fmt.Sprintf("%s is there twice", rs.Address), "remove one")
		}
		c.server(at, rs)
	}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// again tells whether a server in the lists before has the same address.
func (c *checker) again(addr netip.AddrPort, before ...[]RealServer) bool {
	if c.seen != nil {
		was := c.seen[addr]
		c.seen[addr] = true
		return was
	}
	return slices.ContainsFunc(before, func(list []RealServer) bool {
		return slices.ContainsFunc(list, func(rs RealServer) bool { return rs.Address == addr })
	})
}

func (c *checker) onFailure(key string, what OnFailure) {
	if what != Remove && what != Quiesce {
		c.add(key, fmt.Sprintf("%q is unknown", what), "use remove or quiesce")
	}
}

func (c *checker) server(at element, rs *RealServer) {
	if rs.OnFailure != "" {
		c.onFailure(at.key()+".on_failure", rs.OnFailure)
	}
	if rs.Weight < 0 || rs.Weight > 65535 {
		c.add(at.key()+".weight", fmt.Sprintf("%d is outside 0 to 65535", rs.Weight), "")
	}
	if rs.Lower > rs.Upper {
		c.add(at.key()+".lower_threshold", fmt.Sprintf("%d is above upper_threshold, which is %d", rs.Lower, rs.Upper), "")
	}
	switch rs.Forward {
	case DR, NAT, Tun, FullNAT:
	default:
		c.add(at.key()+".forward_method", fmt.Sprintf("%q is unknown", rs.Forward), "use dr, nat, tun or fullnat")
		return
	}
	c.tunnel(at, rs)
	for _, svc := range c.vs.Keys {
		if svc.Mark == 0 && (rs.Forward == DR || rs.Forward == Tun) && rs.Address.Port() != 0 && rs.Address.Port() != svc.Port {
			c.add(at.key(), fmt.Sprintf("%s cannot change the port: the service has port %d, the real server %d", rs.Forward, svc.Port, rs.Address.Port()),
				fmt.Sprintf("write port %d, or use nat", svc.Port))
			break
		}
	}
	for _, svc := range c.vs.Keys {
		if svc.Is6() != (rs.Address.Addr().Is6() && !rs.Address.Addr().Is4In6()) && rs.Forward != Tun {
			c.add(at.key(), fmt.Sprintf("it is of another address family than the service %s, which only tun can do", svc), "")
			break
		}
	}
}

func (c *checker) tunnel(at element, rs *RealServer) {
	t := rs.Tunnel
	switch {
	case rs.Forward != Tun:
		if t != (ipvs.Tunnel{}) {
			c.add(at.key()+".tunnel_type", fmt.Sprintf("a tunnel type needs forward_method tun, not %s", rs.Forward), "")
		}
	case t.Type > ipvs.GRE:
		c.add(at.key()+".tunnel_type", fmt.Sprintf("%s is unknown", t.Type), "use ipip, gue or gre")
	case t.Type == ipvs.GUE && t.Port == 0:
		c.add(at.key()+".tunnel_port", "gue needs a port", "")
	case t.Type != ipvs.GUE && t.Port != 0:
		c.add(at.key()+".tunnel_port", fmt.Sprintf("%s has no port", t.Type), "only gue has")
	case t.Type == ipvs.IPIP && t.Flags != 0:
		c.add(at.key()+".tunnel_checksum", "ipip has no checksum options", "gue and gre have")
	case t.Type == ipvs.GRE && t.Flags&ipvs.TunnelRemCsum != 0:
		c.add(at.key()+".tunnel_checksum", "gre has no remote checksum offload", "gue has")
	}
}
