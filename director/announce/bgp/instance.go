package bgp

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"

	"usher/director/announce"
)

// instance is one server of GoBGP, from its start to its end.
type instance struct {
	speaker *Speaker
	bgp     *server.BgpServer
	local   announce.Local // the zero value before start
	lost    chan<- error
	closing atomic.Bool
	ended   chan struct{} // Serve has returned
	unwatch context.CancelFunc

	mu    sync.Mutex
	paths map[netip.Prefix]announce.Path
	hops  nextHops // as the policy has them
}

// newInstance makes a server, whose loop runs. An end that nobody asked for goes to lost.
func (s *Speaker) newInstance(lost chan<- error) *instance {
	i := &instance{
		speaker: s, lost: lost, ended: make(chan struct{}),
		bgp:     server.NewBgpServer(server.LoggerOption(s.logger(), nil)),
		unwatch: func() {}, paths: map[netip.Prefix]announce.Path{},
	}
	go i.serve()
	return i
}

// serve is the server's loop. What panics in it is an end as any other; what panics in the
// goroutine of a session cannot be caught, and ends the process, which routers see.
func (i *instance) serve() {
	defer close(i.ended)
	defer func() {
		if p := recover(); p != nil {
			i.fail(fmt.Errorf("panic: %v", p))
		} else {
			i.fail(fmt.Errorf("its loop has ended"))
		}
	}()
	i.bgp.Serve()
}

// fail tells that the server is lost, once, unless it is being closed.
func (i *instance) fail(err error) {
	if i.closing.Load() {
		return
	}
	select {
	case i.lost <- err:
	default:
	}
}

// answer bounds how long the server may take for an operation; none waits for the network.
const answer = 10 * time.Second

// do carries out an operation of the server. One that has no end is the server's end.
func (i *instance) do(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- f()
	}()
	timer := time.NewTimer(answer)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("bgp: %s: %w", what, err)
		}
		return nil
	case <-i.ended:
		return fmt.Errorf("bgp: %s: %w", what, ErrNotRunning)
	case <-timer.C:
		err := fmt.Errorf("it does not answer within %s to: %s", answer, what)
		i.fail(err)
		return fmt.Errorf("bgp: %w", err)
	}
}

// start gives the server its identity and its policy, and watches its sessions.
func (i *instance) start(local announce.Local) error {
	err := i.do("start", func() error {
		return i.bgp.StartBgp(context.Background(), &api.StartBgpRequest{Global: &api.Global{
			Asn: local.ASN, RouterId: local.RouterID.String(), ListenPort: -1, Families: []uint32{0, 1}, // IPv4 and IPv6 unicast
		}})
	})
	if err == nil {
		err = i.setPolicies(nextHops{})
	}
	if err == nil {
		err = i.do("policy", i.assignPolicies)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.unwatch = cancel
	err = i.do("watch sessions", func() error {
		return i.bgp.WatchEvent(ctx, server.WatchEventMessageCallbacks{
			OnPeerUpdate: func(e *apiutil.WatchEventMessage_PeerEvent, _ time.Time) { i.heard(e) },
		}, server.WatchPeer())
	})
	if err != nil {
		return err
	}
	i.local = local
	return nil
}

// stop ends the server and all its connections. Sessions that are still up are closed
// with Cease.
func (i *instance) stop() {
	i.closing.Store(true)
	i.unwatch()
	clean := true
	select {
	case <-i.ended:
		clean = false // the loop is gone: its sessions are not, and nothing can be asked of them
	default:
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		i.bgp.Stop()
	}()
	timer := time.NewTimer(answer)
	defer timer.Stop()
	select {
	case <-stopped:
	case <-timer.C:
		clean = false
	}
	if !clean && i.local.ASN != 0 {
		i.speaker.shutConnections()
	}
}

// heard takes in a change of a session.
func (i *instance) heard(e *apiutil.WatchEventMessage_PeerEvent) {
	if e.Type != apiutil.PEER_EVENT_STATE {
		return
	}
	peer := e.Peer.State
	unheard, ended := false, false
	i.speaker.update(func() {
		ses := i.speaker.sessions[peer.NeighborAddress]
		if ses == nil || i.speaker.server != i || !ses.there {
			return
		}
		was := ses.State
		if was == announce.Established && ses.asked {
			ses.asked = peer.DisconnectMessage != resetDone
			unheard = ses.asked
		} else if was == announce.Established {
			ended = stateOf(peer.SessionState) != was && endedElsewhere(peer.DisconnectMessage)
		}
		ses.enter(stateOf(peer.SessionState))
		ses.ended = ses.ended || ended
		if ses.State == announce.Established {
			ses.IPv4, ses.IPv6 = takes(peer.RemoteCap)
		}
		if was == announce.Established && peer.DisconnectMessage != "" && ses.dead == "" {
			ses.why = disconnected(peer.DisconnectMessage)
		}
	})
	switch {
	case unheard:
		i.speaker.resetSoon(peer.NeighborAddress)
	case ended:
		time.AfterFunc(afterReset*time.Second, func() { i.speaker.resetSoon(peer.NeighborAddress) })
	}
	i.speaker.watch(peer.NeighborAddress)
}

// stateOf is GoBGP's state in the words of RFC 4271.
func stateOf(s bgp.FSMState) announce.SessionState {
	switch s {
	case bgp.BGP_FSM_CONNECT:
		return announce.Connect
	case bgp.BGP_FSM_ACTIVE:
		return announce.Active
	case bgp.BGP_FSM_OPENSENT:
		return announce.OpenSent
	case bgp.BGP_FSM_OPENCONFIRM:
		return announce.OpenConfirm
	case bgp.BGP_FSM_ESTABLISHED:
		return announce.Established
	}
	return announce.Idle
}

// takes says which families a router takes. One that names none takes IPv4 (RFC 4760
// section 8).
func takes(capabilities []bgp.ParameterCapabilityInterface) (v4, v6 bool) {
	named := false
	for _, c := range capabilities {
		if mp, ok := c.(*bgp.CapMultiProtocol); ok {
			named = true
			v4 = v4 || mp.CapValue == bgp.RF_IPv4_UC
			v6 = v6 || mp.CapValue == bgp.RF_IPv6_UC
		}
	}
	return v4 || !named, v6
}
