package director

import (
	"net/netip"
	"slices"
	"time"

	"usher/director/ipvs"
)

// Forward is the operator's forward method: the kernel's three, and fullnat,
// which usher makes from nat and source NAT rules of its own.
type Forward string

// The forward methods.
const (
	DR      Forward = "dr"
	NAT     Forward = "nat"
	Tun     Forward = "tun"
	FullNAT Forward = "fullnat"
)

// OnFailure is what becomes of a failed server.
type OnFailure string

// The two ways.
const (
	Remove  OnFailure = "remove"  // out of the table
	Quiesce OnFailure = "quiesce" // weight 0: its connections live on
)

// VirtualServer is one pool behind one or more service addresses, complete:
// defaults are resolved before.
type VirtualServer struct {
	Name string
	// Keys are its services: one, unless it has a range of addresses or ports.
	Keys    []ipvs.ServiceKey
	Address string // as the operator wrote it, for status
	Service ipvs.Service
	Forward Forward

	Quorum       int // sum of weights that must be up
	Hysteresis   int // gained at Quorum+Hysteresis, lost below Quorum-Hysteresis
	OnFailure    OnFailure
	DrainTimeout time.Duration
	SlowStart    time.Duration
	MinHealthy   float64 // fraction 0..1 of servers below which the last good set is kept; 0 for never

	SNAT  []netip.Prefix // local addresses of fullnat; none for masquerading
	Sorry []RealServer   // in order of preference
	Real  []RealServer
	// Discovered says that servers come from elsewhere, too: what can never be reached with
	// those that are here may be with them.
	Discovered bool
}

// onFailure is what becomes of a server when it fails.
func (vs *VirtualServer) onFailure(rs *RealServer) OnFailure {
	if rs.OnFailure != "" {
		return rs.OnFailure
	}
	return vs.OnFailure
}

// Services gives the keys of everything that the virtual server has in the kernel:
// its own services and the private ones of its servers' probes.
func (vs *VirtualServer) Services() []ipvs.ServiceKey {
	keys := slices.Clip(vs.Keys)
	vs.servers(func(rs *RealServer) {
		if key, ok := vs.probe(rs); ok {
			keys = append(keys, key)
		}
	})
	return keys
}

// servers goes through all servers, real and sorry ones.
func (vs *VirtualServer) servers(each func(*RealServer)) {
	for _, list := range [...][]RealServer{vs.Real, vs.Sorry} {
		for i := range list {
			each(&list[i])
		}
	}
}

// probe gives the private service of a server's probes, if it has one.
func (vs *VirtualServer) probe(rs *RealServer) (ipvs.ServiceKey, bool) {
	if rs.ProbeMark == 0 || len(vs.Keys) == 0 {
		return ipvs.ServiceKey{}, false
	}
	return ipvs.MarkKey(rs.ProbeMark, vs.Keys[0].Is6()), true
}

// RealServer is one server of a pool.
type RealServer struct {
	Address netip.AddrPort // identity; port equals the service's for dr and tun, 0 where the service has every port
	Weight  int            // 0..65535
	Forward Forward
	Upper   uint32
	Lower   uint32
	Tunnel  ipvs.Tunnel
	// OnFailure is what becomes of this server when it fails; "" for the pool's.
	OnFailure OnFailure
	Checked   bool // has health checks; a server without is always up
	Trusted   bool // counts as up until a check has decided
	// Priority is that of SRV records (RFC 2782) as a rank, 0 first: the server gets new
	// connections only while no server of a lesser rank is up.
	Priority int
	// ProbeMark is the firewall mark of probes that go to this server through IPVS;
	// a private service of that mark hands them to it alone. 0 for none.
	ProbeMark uint32
}

// Canonical gives servers with keys in the one form that tables have.
func Canonical(servers []VirtualServer) []VirtualServer {
	out := make([]VirtualServer, len(servers))
	for i, vs := range servers {
		vs.Keys = append([]ipvs.ServiceKey(nil), vs.Keys...)
		for j, key := range vs.Keys {
			vs.Keys[j] = key.Canonical()
		}
		out[i] = vs
	}
	return out
}
