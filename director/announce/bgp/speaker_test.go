package bgp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"

	"usher/director/announce"
)

var (
	own   = announce.Local{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.1")}
	host4 = netip.MustParsePrefix("198.51.100.10/32")
	host6 = netip.MustParsePrefix("2001:db8::10/128")
)

// running is a Speaker under test.
type running struct {
	*Speaker
	t       *testing.T
	started chan struct{}
	stop    context.CancelFunc
	ended   chan error

	mu   sync.Mutex
	told []announce.Session
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	r := &running{t: t, started: make(chan struct{}, 8), ended: make(chan error, 1)}
	o.Started = func() { r.started <- struct{}{} }
	o.Changed = func(n announce.Session) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, n)
	}
	r.Speaker = New(o)
	r.run()
	return r
}

func (r *running) run() {
	ctx, stop := context.WithCancel(r.t.Context())
	r.stop = stop
	over := make(chan struct{})
	r.t.Cleanup(func() { // the next test's server writes what this one's reads
		stop()
		<-over
	})
	go func() {
		err := r.Run(ctx)
		close(over)
		r.ended <- err
	}()
	<-r.started
}

// await awaits what is to be: for long, and no longer than it takes.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited 30 s for: %s", what)
		}
	}
}

// router is a BGP router on the loopback, which takes a session from 127.0.0.2.
type router struct {
	bgp  *server.BgpServer
	peer announce.Peer // it, as the speaker wants it

	mu   sync.Mutex
	seen map[netip.Prefix]*apiutil.Path
	down []string // why sessions ended
}

func startRouter(t *testing.T, address string) *router {
	t.Helper()
	l, err := net.Listen("tcp4", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	r := &router{bgp: server.NewBgpServer(), seen: map[netip.Prefix]*apiutil.Path{}, peer: announce.Peer{
		Address: netip.MustParseAddr(address), Source: netip.MustParseAddr("127.0.0.2"), ASN: 65000, Port: uint16(port),
		HoldTime: 9 * time.Second, NextHop6: netip.MustParseAddr("2001:db8::2"),
	}}
	go r.bgp.Serve()
	t.Cleanup(r.bgp.Stop)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
		Asn: 65000, RouterId: "192.0.2.254", ListenPort: int32(port), ListenAddresses: []string{address},
	}}))
	must(r.bgp.WatchEvent(ctx, server.WatchEventMessageCallbacks{
		OnPathUpdate: r.update,
		OnPeerUpdate: func(e *apiutil.WatchEventMessage_PeerEvent, _ time.Time) {
			if m := e.Peer.State.DisconnectMessage; e.Peer.State.SessionState == bgp.BGP_FSM_IDLE && m != "" {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.down = append(r.down, m)
			}
		},
	}, server.WatchPeer(), server.WatchUpdate(false, "", "")))
	must(r.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: "127.0.0.2", PeerAsn: 65001},
		Transport: &api.Transport{PassiveMode: true, LocalAddress: address},
		Timers:    &api.Timers{Config: &api.TimersConfig{IdleHoldTimeAfterReset: 1}},
		AfiSafis: []*api.AfiSafi{
			{Config: &api.AfiSafiConfig{Family: familiesOf(family{v4: true})[0], Enabled: true}},
			{Config: &api.AfiSafiConfig{Family: familiesOf(family{v6: true})[0], Enabled: true}},
		},
	}}))
	path, err := pathOf(announce.Path{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
	must(err)
	_, err = r.bgp.AddPath(apiutil.AddPathRequest{Paths: []*apiutil.Path{path}})
	must(err)
	return r
}

func (r *router) update(paths []*apiutil.Path, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range paths {
		prefix, err := netip.ParsePrefix(p.Nlri.String())
		switch {
		case err != nil:
		case p.Withdrawal:
			delete(r.seen, prefix)
		default:
			r.seen[prefix] = p
		}
	}
}

// attribute is one of the attributes that a prefix came with, in GoBGP's words.
func (r *router) attribute(prefix netip.Prefix, kind bgp.BGPAttrType) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.seen[prefix]; p != nil {
		for _, a := range p.Attrs {
			if a.GetType() == kind {
				return a.String()
			}
		}
	}
	return ""
}

func (r *router) ends() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.down)
}

// detector is a BFD that says what a test has it say.
type detector struct {
	mu      sync.Mutex
	reports map[netip.Addr]func(Detection)
	calls   []string
}

func (d *detector) Watch(p announce.Peer, report func(Detection)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reports[p.Address] = report
	d.calls = append(d.calls, "watch "+p.BFD.MinTX.String())
}

func (d *detector) Forget(peer netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.reports, peer)
	d.calls = append(d.calls, "forget")
}

func (d *detector) say(t *testing.T, peer netip.Addr, what Detection) {
	t.Helper()
	var report func(Detection)
	await(t, "BFD of the session", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		report = d.reports[peer]
		return report != nil
	})
	report(what)
}

// TestSpeaker is a session with each of two routers: what they are told, what is not taken
// of them, what becomes of one that BFD finds dead, and of the other when the server is lost.
func TestSpeaker(t *testing.T) {
	r, q := startRouter(t, "127.0.0.1"), startRouter(t, "127.0.0.3")
	detection := &detector{reports: map[netip.Addr]func(Detection){}}
	s := start(t, Options{BFD: detection})
	if err := s.Announce(announce.Path{Prefix: host4}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("announced without a local: %v", err)
	}
	peer := r.peer
	peer.BFD = announce.BFD{MinTX: 50 * time.Millisecond, MinRX: 50 * time.Millisecond, Multiplier: 3}
	fill := func() {
		t.Helper()
		err := s.Configure(own, []announce.Peer{peer, q.peer})
		for _, prefix := range []netip.Prefix{host4, host6} {
			err = errors.Join(err, s.Announce(announce.Path{Prefix: prefix, MED: 7, Communities: []announce.Community{65000<<16 | 100, announce.GracefulShutdown}}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	session := func() announce.Session { return s.Sessions()[0] }
	fill()
	for i, of := range []*router{r, q} {
		await(t, "a session", func() bool { return s.Sessions()[i].State == announce.Established })
		for _, prefix := range []netip.Prefix{host4, host6} {
			await(t, prefix.String()+" at the router", func() bool { return of.attribute(prefix, bgp.BGP_ATTR_TYPE_ORIGIN) != "" })
		}
	}
	for _, c := range []struct {
		prefix netip.Prefix
		kind   bgp.BGPAttrType
		want   string
	}{
		{host4, bgp.BGP_ATTR_TYPE_NEXT_HOP, "127.0.0.2"},
		{host6, bgp.BGP_ATTR_TYPE_MP_REACH_NLRI, "2001:db8::2"},
		{host4, bgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC, "7"},
		{host4, bgp.BGP_ATTR_TYPE_COMMUNITIES, "65000:100"},
		{host4, bgp.BGP_ATTR_TYPE_AS_PATH, "65001"},
	} {
		if got := r.attribute(c.prefix, c.kind); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s is %q, want %q", c.prefix, c.kind, got, c.want)
		}
	}
	await(t, "what the router sent, refused", func() bool { s.look(); return session().Refused == 1 })
	if n := session(); !n.IPv4 || !n.IPv6 || n.HoldTime != 9*time.Second || n.BFD != waiting || n.Flaps != 0 {
		t.Errorf("the session is %+v", n)
	}
	if len(s.server.announced()) != 2 {
		t.Errorf("announced: %+v", s.server.announced())
	}
	if err := s.Withdraw(host4); err != nil {
		t.Fatal(err)
	}
	await(t, "the withdrawal", func() bool { return r.attribute(host4, bgp.BGP_ATTR_TYPE_ORIGIN) == "" })

	// BFD that was never up is no failure, nor is one that the router says is down, nor one
	// that says nothing of the router. Other
	// timers are for BFD alone, and another next hop is sent again.
	since := session().Since
	detection.say(t, peer.Address, Detection{Reason: "not up yet"})
	detection.say(t, peer.Address, Detection{Up: true})
	detection.say(t, peer.Address, Detection{Signalled: true, Reason: "it began anew"})
	detection.say(t, peer.Address, Detection{Up: true})
	detection.say(t, peer.Address, Detection{Unknown: true, Reason: "by administration"})
	peer.BFD.MinTX, peer.NextHop6 = 20*time.Millisecond, netip.MustParseAddr("2001:db8::3")
	fill()
	await(t, "the other next hop", func() bool {
		return strings.Contains(r.attribute(host6, bgp.BGP_ATTR_TYPE_MP_REACH_NLRI), "2001:db8::3")
	})
	if n := session(); n.State != announce.Established || !n.Since.Equal(since) || n.BFD != waiting || len(r.ends()) != 0 {
		t.Errorf("the session did not go on: %+v, %v", n, r.ends())
	}
	detection.say(t, peer.Address, Detection{Up: true})
	detection.say(t, peer.Address, Detection{Reason: "nothing heard"})
	await(t, "the reset at the router", func() bool { return len(r.ends()) == 1 })
	await(t, "the reset, said", func() bool {
		n := session()
		return n.Flaps == 1 && n.State != announce.Established && n.BFD == down && strings.Contains(n.Reason, "nothing heard")
	})

	// The server dies of a panic: what is left of its sessions ends, and it can run again.
	go s.server.bgp.DeletePeer(context.Background(), &api.DeletePeerRequest{Address: "nobody"})
	if err := <-s.ended; err == nil || !strings.Contains(err.Error(), "panic") {
		t.Fatalf("Run ended with %v", err)
	}
	await(t, "the end of the other session at its router", func() bool { return len(q.ends()) == 1 })
	for i, n := range s.Sessions() {
		if n.State != announce.Idle || n.Flaps != 1 {
			t.Errorf("session %d after the loss: %+v", i, n)
		}
	}
	s.run()
	fill()
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	if want := []string{"watch 50ms", "watch 20ms", "forget"}; !slices.Equal(detection.calls, want) {
		t.Errorf("BFD was asked for %q, want %q", detection.calls, want)
	}
	var told []announce.SessionState
	for _, n := range s.told {
		if n.Peer == q.peer.Address {
			told = append(told, n.State)
		}
	}
	if !slices.Contains(told, announce.Established) || told[len(told)-1] != announce.Idle {
		t.Errorf("told of the second session: %v", told)
	}
}

// TestConfigure: peers come, change and go, and an error with one is none with the others.
func TestConfigure(t *testing.T) {
	s := start(t, Options{})
	peer := func(last byte) announce.Peer {
		return announce.Peer{Address: netip.AddrFrom4([4]byte{127, 0, 0, last}), ASN: 65000, Port: 1, HoldTime: 9 * time.Second}
	}
	never := peer(9)
	never.HoldTime = 0
	for _, c := range []struct {
		local announce.Local
		peers []announce.Peer
		bad   bool
	}{
		{own, nil, false},
		{own, []announce.Peer{peer(3), peer(2)}, false},
		{own, []announce.Peer{never, peer(2), peer(4)}, true},
		{own, []announce.Peer{peer(2), peer(9)}, false},
		{announce.Local{ASN: 65002, RouterID: own.RouterID}, []announce.Peer{peer(2)}, false},
	} {
		if err := s.Configure(c.local, c.peers); (err != nil) != c.bad {
			t.Errorf("%v: %v", c.peers, err)
		}
		readings, err := s.server.read()
		if err != nil {
			t.Fatal(err)
		}
		var there, want []netip.Addr
		for _, r := range readings {
			there = append(there, r.peer)
		}
		slices.SortFunc(there, netip.Addr.Compare)
		for _, p := range c.peers {
			if p != never {
				want = append(want, p.Address)
			}
		}
		slices.SortFunc(want, netip.Addr.Compare)
		if !slices.Equal(there, want) {
			t.Errorf("peers are %v, want %v", there, want)
		}
		if err := s.Announce(announce.Path{Prefix: host4}); err != nil {
			t.Error(err)
		}
		for i, n := range s.Sessions() {
			if n.Peer != c.peers[i].Address || n.Reason == "" {
				t.Errorf("session %d is %+v, want that of %s", i, n, c.peers[i].Address)
			}
		}
	}
	if s.server.local.ASN != 65002 || len(s.server.announced()) != 1 {
		t.Errorf("after another local: %+v, %d paths", s.server.local, len(s.server.announced()))
	}
	await(t, "a refused connection, said", func() bool { return strings.Contains(s.Sessions()[0].Reason, "refuses") })
}
