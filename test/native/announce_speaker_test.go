package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/rpc"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"usher/director/announce"
	"usher/director/announce/bgp"
	"usher/healthcheck/bfd"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// speakerSocket is the variable of the environment that makes this test binary a speaker,
// and says where it takes calls.
const speakerSocket = "USHER_TEST_SPEAKER"

// speaking is what a node's speaker can be asked for.
type speaking struct{ speaker *bgp.Speaker }

// Configuration is what Configure takes.
type Configuration struct {
	Local announce.Local
	Peers []announce.Peer
}

func (s *speaking) Configure(c Configuration, _ *struct{}) error {
	return s.speaker.Configure(c.Local, c.Peers)
}
func (s *speaking) Announce(p announce.Path, _ *struct{}) error { return s.speaker.Announce(p) }
func (s *speaking) Withdraw(p netip.Prefix, _ *struct{}) error  { return s.speaker.Withdraw(p) }
func (s *speaking) Sessions(_ struct{}, all *[]announce.Session) error {
	*all = s.speaker.Sessions()
	return nil
}

// watched are the BFD sessions of the speaker's peers.
type watched struct {
	engine *bfd.Engine
	mu     sync.Mutex
	ids    map[netip.Addr]uint64
}

func (w *watched) id(peer netip.Addr) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids[peer] == 0 {
		w.ids[peer] = uint64(len(w.ids) + 1)
	}
	return w.ids[peer]
}

func (w *watched) Watch(p announce.Peer, report func(bgp.Detection)) {
	timers := bfd.Config{MinTX: p.BFD.MinTX, MinRX: p.BFD.MinRX, Multiplier: p.BFD.Multiplier}
	w.engine.Watch(w.id(p.Address), bfd.Peer{Address: p.Address, Source: p.Source, Config: timers}, func(c bfd.Change) {
		report(bgp.Detection{Up: c.State == bfd.Up, Unknown: c.Fault || c.Administrative, Signalled: c.Signalled, Reason: c.Reason})
	})
}

func (w *watched) Forget(peer netip.Addr) { w.engine.Forget(w.id(peer)) }

// speakBGP is a speaker that takes calls on a socket, until SIGTERM.
func speakBGP(socket string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	detection := &watched{engine: bfd.New(log), ids: map[netip.Addr]uint64{}}
	s := bgp.New(bgp.Options{Log: log, BFD: detection, Changed: func(n announce.Session) {
		log.Info("changed", "peer", n.Peer, "state", n.State, "reason", n.Reason, "bfd", n.BFD, "bfd_reason", n.BFDReason, "ipv4", n.IPv4, "ipv6", n.IPv6)
	}})
	server := rpc.NewServer()
	listener, err := net.Listen("unix", socket)
	if err == nil {
		err = server.RegisterName("Speaker", &speaking{s})
	}
	if err != nil {
		log.Error("no speaker", "error", err)
		return 1
	}
	go server.Accept(listener)
	// BFD outlives BGP: what ends with it is to be told by BGP first.
	watching, end := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return detection.engine.Run(watching) })
	err = s.Run(ctx)
	end()
	if err = errors.Join(err, g.Wait()); err != nil {
		log.Error("speaker", "error", err)
		return 1
	}
	return 0
}

// bgpSpeaker is a node's.
type bgpSpeaker struct {
	t       *testing.T
	process *lab.Process
	calls   *rpc.Client
	local   announce.Local
	peers   []announce.Peer
}

// startSpeaker runs a speaker on a node.
func startSpeaker(t *testing.T, n *lab.Node) *bgpSpeaker {
	t.Helper()
	self, err := os.Executable()
	labtest.Must(t, err)
	socket := filepath.Join(openDir(t), "speaker.sock")
	p, err := n.Start("speaker", "env", speakerSocket+"="+socket, self)
	labtest.Must(t, err)
	s := &bgpSpeaker{t: t, process: p, local: announce.Local{ASN: 65001, RouterID: netip.MustParseAddr("192.168.60.2")}}
	labtest.Must(t, lab.Until(t.Context(), "the speaker takes calls", func() (err error) {
		s.calls, err = rpc.Dial("unix", socket)
		return err
	}))
	t.Cleanup(func() { s.calls.Close() })
	return s
}

func (s *bgpSpeaker) call(method string, args, reply any) {
	s.t.Helper()
	labtest.Must(s.t, s.calls.Call("Speaker."+method, args, reply))
}

// configure has the speaker have these peers.
func (s *bgpSpeaker) configure(peers ...announce.Peer) {
	s.t.Helper()
	s.peers = peers
	s.call("Configure", Configuration{s.local, peers}, &struct{}{})
}

func (s *bgpSpeaker) announce(prefix string, med uint32, communities ...announce.Community) {
	s.t.Helper()
	s.call("Announce", announce.Path{Prefix: netip.MustParsePrefix(prefix), MED: med, Communities: communities}, &struct{}{})
}

func (s *bgpSpeaker) withdraw(prefix string) {
	s.t.Helper()
	s.call("Withdraw", netip.MustParsePrefix(prefix), &struct{}{})
}

// session is how the session with a peer stands.
func (s *bgpSpeaker) session(peer netip.Addr) announce.Session {
	s.t.Helper()
	var all []announce.Session
	s.call("Sessions", struct{}{}, &all)
	for _, one := range all {
		if one.Peer == peer {
			return one
		}
	}
	s.t.Fatalf("there is no session with %s: %+v", peer, all)
	return announce.Session{}
}

// await awaits that a session is as ok wants it, and returns it.
func (s *bgpSpeaker) await(what string, peer netip.Addr, ok func(announce.Session) bool) (last announce.Session) {
	s.t.Helper()
	labtest.Must(s.t, lab.Until(s.t.Context(), fmt.Sprintf("%s with %s", what, peer), func() error {
		if last = s.session(peer); !ok(last) {
			return fmt.Errorf("it is %+v", last)
		}
		return nil
	}))
	return last
}

func (s *bgpSpeaker) established(peers ...announce.Peer) {
	s.t.Helper()
	for _, p := range peers {
		s.await("a session", p.Address, func(n announce.Session) bool {
			return n.State == announce.Established && (p.BFD.MinTX == 0 || n.BFD == "up")
		})
	}
}
