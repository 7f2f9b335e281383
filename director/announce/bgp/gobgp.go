package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"usher/director/announce"
)

// maxReceived is how many prefixes of a family a router may send: they are kept, some 400
// bytes each, though none is used.
const maxReceived = 100_000

// The pace of connecting, in seconds: between the attempts, and after a session that ended.
// An attempt takes a second less at most. GoBGP would wait 5 s after one that it was not asked
// to end, which is long for a director whose router found it gone for a moment.
const (
	connectRetry = 3
	afterReset   = 1
)

// bgpPort is where routers listen (RFC 4271 section 8.2.1.2).
const bgpPort = 179

func port(p announce.Peer) uint16 {
	if p.Port != 0 {
		return p.Port
	}
	return bgpPort
}

// family is which of the two a prefix is of, and which a peer is offered.
type family struct{ v4, v6 bool }

// families are those that a peer can be told a next hop of.
func families(p announce.Peer) family {
	return family{v4: p.Address.Is4() || p.NextHop4.IsValid(), v6: p.Address.Is6() || p.NextHop6.IsValid()}
}

// peer is a peer as GoBGP wants it.
func (i *instance) peer(p announce.Peer) *api.Peer {
	restart := uint32(i.local.GracefulRestart / time.Second)
	out := &api.Peer{
		Conf:        &api.PeerConf{NeighborAddress: p.Address.String(), PeerAsn: p.ASN, AuthPassword: p.Password},
		Transport:   &api.Transport{RemotePort: uint32(port(p))},
		TtlSecurity: &api.TtlSecurity{Enabled: p.TTLSecurity, TtlMin: 255},
		Timers: &api.Timers{Config: &api.TimersConfig{
			HoldTime: uint64(p.HoldTime / time.Second), ConnectRetry: connectRetry, IdleHoldTimeAfterReset: afterReset,
		}},
		GracefulRestart: &api.GracefulRestart{Enabled: restart != 0, RestartTime: restart},
	}
	if p.Source.IsValid() {
		out.Transport.LocalAddress = p.Source.String()
	}
	if p.MultiHop != 0 {
		out.EbgpMultihop = &api.EbgpMultihop{Enabled: true, MultihopTtl: uint32(p.MultiHop)}
	}
	for _, f := range familiesOf(families(p)) {
		out.AfiSafis = append(out.AfiSafis, &api.AfiSafi{
			Config:            &api.AfiSafiConfig{Family: f, Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: restart != 0}},
			PrefixLimits:      &api.PrefixLimit{Family: f, MaxPrefixes: maxReceived},
		})
	}
	return out
}

func familiesOf(f family) (all []*api.Family) {
	if f.v4 {
		all = append(all, &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST})
	}
	if f.v6 {
		all = append(all, &api.Family{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST})
	}
	return all
}

func (i *instance) add(p announce.Peer) error {
	if p.HoldTime < time.Second {
		return fmt.Errorf("bgp: peer %s: hold time %s: there must be one", p.Address, p.HoldTime)
	}
	return i.do("peer "+p.Address.String(), func() error {
		return i.bgp.AddPeer(context.Background(), &api.AddPeerRequest{Peer: i.peer(p)})
	})
}

func (i *instance) remove(peer netip.Addr) error {
	return i.do("remove peer "+peer.String(), func() error {
		return i.bgp.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: peer.String()})
	})
}

// reset ends a session that is established; it is tried again.
func (i *instance) reset(peer netip.Addr) error {
	return i.do("reset peer "+peer.String(), func() error {
		return i.bgp.ResetPeer(context.Background(), &api.ResetPeerRequest{Address: peer.String(), Communication: "BFD down"})
	})
}

// resetDone is what GoBGP says of a session that ended by reset.
var resetDone = "notification-sent " + bgp.NewNotificationErrorCode(bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_ADMINISTRATIVE_RESET).String()

// resend sends every path to a peer again.
func (i *instance) resend(peer netip.Addr) error {
	return i.do("send again to peer "+peer.String(), func() error {
		return i.bgp.ResetPeer(context.Background(), &api.ResetPeerRequest{
			Address: peer.String(), Soft: true, Direction: api.ResetPeerRequest_DIRECTION_OUT,
		})
	})
}

// shut closes a session with Cease, Administrative Shutdown, and tries it no more.
func (i *instance) shut(peer netip.Addr, communication string) error {
	return i.do("close peer "+peer.String(), func() error {
		return i.bgp.DisablePeer(context.Background(), &api.DisablePeerRequest{Address: peer.String(), Communication: communication})
	})
}

// readmit tries again a peer that was closed because it sent too much.
func (i *instance) readmit(peer netip.Addr) {
	_ = i.do("open peer "+peer.String(), func() error {
		return i.bgp.EnablePeer(context.Background(), &api.EnablePeerRequest{Address: peer.String()})
	})
}

// read reads what is counted of all peers.
func (i *instance) read() (all []reading, err error) {
	err = i.do("list peers", func() error {
		return i.bgp.ListPeer(context.Background(), &api.ListPeerRequest{}, func(p *api.Peer) {
			address, err := netip.ParseAddr(p.GetConf().GetNeighborAddress())
			if err != nil {
				return
			}
			r := reading{
				peer: address, overfull: p.GetState().GetAdminState() == api.PeerState_ADMIN_STATE_PFX_CT,
				holdTime: time.Duration(p.GetTimers().GetState().GetNegotiatedHoldTime()) * time.Second,
			}
			for _, f := range p.GetAfiSafis() {
				r.received += f.GetState().GetReceived()
			}
			all = append(all, r)
		})
	})
	return all, err
}

// announced are the paths of the table, in the order of their prefixes.
func (i *instance) announced() (all []announce.Path) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.paths {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b announce.Path) int { return a.Prefix.Compare(b.Prefix) })
	return all
}

func (i *instance) announce(p announce.Path) error {
	path, err := pathOf(p)
	if err != nil {
		return err
	}
	err = i.do("announce "+p.Prefix.String(), func() error {
		_, err := i.bgp.AddPath(apiutil.AddPathRequest{Paths: []*apiutil.Path{path}})
		return err
	})
	if err == nil {
		i.mu.Lock()
		i.paths[p.Prefix] = p
		i.mu.Unlock()
	}
	return err
}

func (i *instance) withdraw(p netip.Prefix) error {
	path, err := pathOf(announce.Path{Prefix: p})
	if err != nil {
		return err
	}
	path.Withdrawal = true
	err = i.do("withdraw "+p.String(), func() error {
		return i.bgp.DeletePath(apiutil.DeletePathRequest{Paths: []*apiutil.Path{path}})
	})
	if err == nil {
		i.mu.Lock()
		delete(i.paths, p)
		i.mu.Unlock()
	}
	return err
}

// The preferences of internal sessions (RFC 4271 section 5.1.5): the usual one, and that
// of a path that anybody shall leave (RFC 8326 section 4.3).
const (
	preference    = 100
	noPreferences = 0
)

// pathOf is a path as GoBGP wants it. Its next hop is open: for each peer that of its
// session, or what the policy sets.
func pathOf(p announce.Path) (*apiutil.Path, error) {
	nlri, err := bgp.NewIPAddrPrefix(p.Prefix)
	if err != nil {
		return nil, fmt.Errorf("bgp: %s: %w", p.Prefix, err)
	}
	localPref := uint32(preference)
	communities := make([]uint32, 0, len(p.Communities))
	for _, c := range p.Communities {
		communities = append(communities, uint32(c))
		if c == announce.GracefulShutdown {
			localPref = noPreferences
		}
	}
	attributes := []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(bgp.BGP_ORIGIN_ATTR_TYPE_IGP),
		bgp.NewPathAttributeMultiExitDisc(p.MED),
		bgp.NewPathAttributeLocalPref(localPref),
	}
	if len(communities) > 0 {
		attributes = append(attributes, bgp.NewPathAttributeCommunities(communities))
	}
	path := &apiutil.Path{Family: bgp.RF_IPv4_UC, Nlri: nlri, Age: time.Now().Unix()}
	if p.Prefix.Addr().Is4() {
		hop, err := bgp.NewPathAttributeNextHop(netip.IPv4Unspecified())
		if err != nil {
			return nil, fmt.Errorf("bgp: %s: %w", p.Prefix, err)
		}
		path.Attrs = append(attributes, hop)
		return path, nil
	}
	path.Family = bgp.RF_IPv6_UC
	hop, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_IPv6_UC, []bgp.PathNLRI{{NLRI: nlri}}, netip.IPv6Unspecified())
	if err != nil {
		return nil, fmt.Errorf("bgp: %s: %w", p.Prefix, err)
	}
	path.Attrs = append(attributes, hop)
	return path, nil
}
