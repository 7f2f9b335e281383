package probe

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"usher/healthcheck"
)

// sources finds the source address of probes that go through a service. On the
// director that holds the VIP the kernel would take the VIP itself, and the real
// server, which has the VIP too, would answer itself.
type sources struct {
	mu    sync.Mutex
	read  time.Time
	local []netip.Prefix
}

// sourcesFresh is how long the list of own addresses is believed.
const sourcesFresh = 5 * time.Second

// through is c with the source address that its way through a service needs.
func (s *sources) through(now time.Time, c *healthcheck.Check) *healthcheck.Check {
	if c.Via == nil || c.Bind.IsValid() {
		return c
	}
	s.mu.Lock()
	if now.Sub(s.read) > sourcesFresh {
		s.read, s.local = now, ownAddresses()
	}
	source := sourceFor(c.Via.Service.Addr(), s.local)
	s.mu.Unlock()
	if !source.IsValid() {
		return c
	}
	bound := *c
	bound.Bind = netip.AddrPortFrom(source, 0)
	return &bound
}

// sourceFor is the own address in the service's network that is not the service's:
// clients' packets come from there, so the answers go the way that clients' do.
func sourceFor(service netip.Addr, local []netip.Prefix) netip.Addr {
	for _, p := range local {
		if !p.IsSingleIP() && p.Contains(service.Unmap()) && p.Addr() != service.Unmap() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// ownAddresses are this machine's, with their networks; none where it cannot tell.
func ownAddresses() []netip.Prefix {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var own []netip.Prefix
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return own
}
