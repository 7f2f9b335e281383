package director

import (
	"iter"
	"net/netip"
	"slices"

	"usher/director/ipvs"
)

// SNATRule is the source NAT of one fullnat service: what came for Service leaves
// for the real servers with an address of Pool, or with the director's own
// address on that side where Pool is empty. It leaves as it came for the servers in
// Except, which the service has by nat; port 0 is every port.
type SNATRule struct {
	Service ipvs.ServiceKey
	Pool    []netip.Prefix
	Except  []netip.AddrPort
}

// Equal tells whether two rules are the same.
func (r SNATRule) Equal(o SNATRule) bool {
	return r.Service == o.Service && slices.Equal(r.Pool, o.Pool) && slices.Equal(r.Except, o.Except)
}

// SNATRules gives the rules of all fullnat services, sorted by service.
func SNATRules(servers iter.Seq[*VirtualServer]) []SNATRule {
	var rules []SNATRule
	for vs := range servers {
		rules = append(rules, vs.snatRules()...)
	}
	slices.SortFunc(rules, func(a, b SNATRule) int { return a.Service.Compare(b.Service) })
	return rules
}

func (vs *VirtualServer) snatRules() []SNATRule {
	full := func(rs RealServer) bool { return rs.Forward == FullNAT }
	if !slices.ContainsFunc(vs.Real, full) && !slices.ContainsFunc(vs.Sorry, full) {
		return nil
	}
	var rules []SNATRule
	for _, key := range vs.Keys {
		rule := SNATRule{Service: key, Pool: vs.SNAT}
		vs.servers(func(rs *RealServer) {
			if rs.Forward == NAT {
				dest := destinationKey(key, *rs)
				rule.Except = append(rule.Except, netip.AddrPortFrom(dest.Address, dest.Port))
			}
		})
		rules = append(rules, rule)
	}
	return rules
}
