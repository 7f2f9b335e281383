package plan_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/director/ipvs"
)

// many is a director that announces some addresses of one virtual server to some peers.
func many(peers []announce.Peer, addresses ...string) *conf.Config {
	a := announce.Announcement{Name: "web", Pools: []string{"web"}, Require: announce.RequireAll,
		Times: announce.Parameters{UpDelay: 10 * time.Second, DrainTimeout: 5 * time.Second, Linger: 3 * time.Second}}
	for _, p := range addresses {
		a.Prefixes = append(a.Prefixes, netip.MustParsePrefix(p))
	}
	v := conf.VirtualServer{VirtualServer: director.VirtualServer{Name: "web", Service: ipvs.Service{Scheduler: "mh", Flags: ipvs.Sched1 | ipvs.Sched2},
		Real: []director.RealServer{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 1, Forward: director.DR}}}}
	return &conf.Config{
		BGP:      &conf.BGP{Local: announce.Local{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.1")}, Peers: peers},
		Announce: []announce.Announcement{a}, VirtualServers: []conf.VirtualServer{v},
	}
}

// TestAnnounced: every change of what is announced, and to whom, is a line, says what it
// does, and shows no password.
func TestAnnounced(t *testing.T) {
	router := func(last byte) announce.Peer {
		return announce.Peer{Address: netip.AddrFrom4([4]byte{192, 0, 2, last}), ASN: 65000, HoldTime: 9 * time.Second}
	}
	slower, secret := router(252), router(253)
	slower.BFD.MinTX = time.Second
	nearer := router(250)
	nearer.NextHop4 = netip.MustParseAddr("192.0.2.3")
	farther := nearer
	farther.NextHop4 = netip.MustParseAddr("192.0.2.4")
	secret.Password = "hush-hush"
	before := many([]announce.Peer{nearer, router(252), router(253), router(254)}, "192.0.2.10/32", "192.0.2.11/32")
	after := many([]announce.Peer{farther, slower, secret, router(251)}, "192.0.2.11/32", "192.0.2.12/32")
	after.Announce[0].MED = 50
	p := plan.Compare(after, before)
	var got []string
	for _, c := range p.Announcements {
		got = append(got, c.String())
	}
	want := []string{
		"~ peer 192.0.2.250: next_hop4",
		"~ peer 192.0.2.252: bfd",
		"~ peer 192.0.2.253: password; the session is closed and begun anew",
		"+ peer 192.0.2.251",
		"- peer 192.0.2.254; the session is closed",
		"~ announce web: med",
		"+ 192.0.2.12/32 (web); announced once all has been well for 10 s",
		"- 192.0.2.10/32 (web); withdrawn in 5 s, and forwarded for 3 s more",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if p.Empty() || !strings.Contains(p.String(), "Announcements\n") || !strings.Contains(p.String(), "8 to change, 0 of them drop connections.") {
		t.Errorf("in text:\n%s", p)
	}
	if p := plan.Compare(before, before); !p.Empty() || len(p.Warnings) > 0 {
		t.Errorf("a configuration differs from itself: %s", p)
	}
	gone := plan.Compare(&conf.Config{}, before)
	if n := len(gone.Announcements); n != 7 { // four peers, two addresses and the announcement
		t.Errorf("%d lines when all goes: %s", n, gone)
	}
	renumbered := many(before.BGP.Peers, "192.0.2.10/32", "192.0.2.11/32")
	renumbered.BGP.ASN = 65002
	if p := plan.Compare(renumbered, before); len(p.Announcements) != 1 || !strings.Contains(p.Announcements[0].String(), "asn; every session is closed") {
		t.Errorf("another number: %s", p)
	}
}

// TestMovedFlows: a plan says which flows are lost that routers move: while directors have
// different servers, and always where each picks its own.
func TestMovedFlows(t *testing.T) {
	before := many(nil, "192.0.2.10/32")
	more := many(nil, "192.0.2.10/32")
	more.VirtualServers[0].Real = append(more.VirtualServers[0].Real, director.RealServer{Address: netip.MustParseAddrPort("10.0.0.2:80"), Weight: 1, Forward: director.DR})
	p := plan.Compare(more, before)
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].String(), "! virtual_server web: until every director") {
		t.Errorf("another server: %v", p.Warnings)
	}
	round := many(nil, "192.0.2.10/32")
	round.VirtualServers[0].Service = ipvs.Service{Scheduler: "wlc"}
	p = plan.Compare(round, before)
	if len(p.Warnings) != 2 || !strings.Contains(p.Warnings[0].String(), "wlc picks another server on each director") || !strings.Contains(p.Warnings[1].String(), "has this scheduler, a connection") {
		t.Errorf("another scheduler: %v", p.Warnings)
	}
	two := many(nil, "192.0.2.10/32")
	two.VirtualServers[0].Keys = []ipvs.ServiceKey{{Protocol: ipvs.TCP, Address: netip.MustParseAddr("192.0.2.10"), Port: 80}, {Protocol: ipvs.TCP, Address: netip.MustParseAddr("192.0.2.10"), Port: 443}}
	two.VirtualServers[0].DrainTimeout = 30 * time.Second
	fewer := many(nil, "192.0.2.10/32")
	fewer.VirtualServers[0].Keys, fewer.VirtualServers[0].DrainTimeout = two.VirtualServers[0].Keys[:1], 30*time.Second
	p = plan.Compare(fewer, two)
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].String(), "tcp 192.0.2.10:443 goes while its address stays announced: its connections have 30 s to end") {
		t.Errorf("a service less: %v", p.Warnings)
	}
	unannounced := many(nil)
	unannounced.Announce, unannounced.VirtualServers = nil, fewer.VirtualServers
	for _, w := range plan.Compare(unannounced, two).Warnings {
		if strings.Contains(w.String(), "stays announced") {
			t.Errorf("told of one that is announced no more: %v", w)
		}
	}
}
