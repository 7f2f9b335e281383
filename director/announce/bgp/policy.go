package bgp

import (
	"context"
	"maps"
	"net/netip"

	"github.com/osrg/gobgp/v4/api"

	"usher/director/announce"
)

// The names of the policies.
const (
	importPolicy = "own-paths-only"
	exportPolicy = "next-hops"
)

// nextHops are the next hops that peers are told, where that is not the address of the
// session.
type nextHops map[netip.Addr]hops

type hops struct{ v4, v6 netip.Addr }

// nextHops makes the policy that of the peers.
func (i *instance) nextHops(peers []announce.Peer) error {
	wanted := nextHops{}
	for _, p := range peers {
		if p.NextHop4.IsValid() || p.NextHop6.IsValid() {
			wanted[p.Address] = hops{p.NextHop4, p.NextHop6}
		}
	}
	if maps.Equal(wanted, i.hops) {
		return nil
	}
	return i.setPolicies(wanted)
}

// setPolicies defines the policies anew. What is assigned stays so, by its name.
func (i *instance) setPolicies(wanted nextHops) error {
	request := &api.SetPoliciesRequest{Policies: []*api.Policy{
		{Name: importPolicy, Statements: []*api.Statement{{
			Name:       importPolicy,
			Conditions: &api.Conditions{RouteType: api.Conditions_ROUTE_TYPE_LOCAL},
			Actions:    &api.Actions{RouteAction: api.RouteAction_ROUTE_ACTION_ACCEPT},
		}}},
	}}
	export := &api.Policy{Name: exportPolicy}
	for address, hop := range wanted {
		name := "peer " + address.String()
		request.DefinedSets = append(request.DefinedSets, &api.DefinedSet{
			DefinedType: api.DefinedType_DEFINED_TYPE_NEIGHBOR, Name: name,
			List: []string{netip.PrefixFrom(address.WithZone(""), address.BitLen()).String()},
		})
		for _, h := range []struct {
			hop netip.Addr
			of  family
		}{{hop.v4, family{v4: true}}, {hop.v6, family{v6: true}}} {
			if !h.hop.IsValid() {
				continue
			}
			export.Statements = append(export.Statements, &api.Statement{
				Name: name + " " + h.hop.String(),
				Conditions: &api.Conditions{
					NeighborSet: &api.MatchSet{Type: api.MatchSet_TYPE_ANY, Name: name},
					AfiSafiIn:   familiesOf(h.of),
				},
				Actions: &api.Actions{Nexthop: &api.NexthopAction{Address: h.hop.String()}},
			})
		}
	}
	request.Policies = append(request.Policies, export)
	err := i.do("policy", func() error { return i.bgp.SetPolicies(context.Background(), request) })
	if err == nil {
		i.hops = wanted
	}
	return err
}

// assignPolicies has nothing taken of what peers send, and everything of our own sent.
func (i *instance) assignPolicies() error {
	for _, a := range []*api.PolicyAssignment{
		{
			Direction: api.PolicyDirection_POLICY_DIRECTION_IMPORT, Policies: []*api.Policy{{Name: importPolicy}},
			DefaultAction: api.RouteAction_ROUTE_ACTION_REJECT,
		},
		{
			Direction: api.PolicyDirection_POLICY_DIRECTION_EXPORT, Policies: []*api.Policy{{Name: exportPolicy}},
			DefaultAction: api.RouteAction_ROUTE_ACTION_ACCEPT,
		},
	} {
		a.Name = "global"
		if err := i.bgp.SetPolicyAssignment(context.Background(), &api.SetPolicyAssignmentRequest{Assignment: a}); err != nil {
			return err
		}
	}
	return nil
}
