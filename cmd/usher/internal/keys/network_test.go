package keys_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"usher/conf/conftest"
	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// flight is how long an advert takes from one router to another.
const flight = time.Millisecond

// pair is two VRRP routers on the same networks, eth0, eth1 and blue, in a bubble of
// virtual time: their engines, and what they hold on kernels in memory.
type pair struct {
	t       *testing.T
	routers [2]*router

	mu      sync.Mutex
	watched map[netip.Addr]bool
	last    time.Time
	none    map[netip.Addr]time.Duration
	several map[netip.Addr]time.Duration
	said    []string // changes of state
	adverts map[string][]time.Time
	resigns int
}

// router is one of them, as a child process runs it.
type router struct {
	p      *pair
	role   conftest.Role
	kernel *viptest.Kernel
	hold   *vip.Manager
	queue  chan func(now time.Time, e *engine.Engine)
	have   map[string]vrrp.Config
	links  map[string]bool // macvlans that the engine knows
}

// newPair runs two routers until the end of the test.
func newPair(t *testing.T) *pair {
	p := &pair{t: t, last: time.Now()}
	p.measure(nil)
	for i := range p.routers {
		r := &router{p: p, role: conftest.Role(i), kernel: &viptest.Kernel{}, queue: make(chan func(time.Time, *engine.Engine), 1000), links: map[string]bool{}}
		for _, name := range devices {
			r.kernel.AddLink(name)
		}
		p.routers[i] = r
		r.hold = vip.New(vip.Options{
			Kernel: kernel{r}, Events: r.Event,
			Confirm: func(name string) { r.do(func(now time.Time, e *engine.Engine) { r.confirm(name, now, e) }) },
			Unheld:  func(name, why string) { r.do(func(now time.Time, e *engine.Engine) { e.Unheld(now, name, why) }) },
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, r := range p.routers {
		wg.Go(func() { _ = r.hold.Run(ctx) })
		wg.Go(func() { r.run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	synctest.Wait()
	return p
}

// measure begins anew, with the addresses to watch.
func (p *pair) measure(watch []netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	p.watched, p.none, p.several = map[netip.Addr]bool{}, map[netip.Addr]time.Duration{}, map[netip.Addr]time.Duration{}
	for _, a := range watch {
		p.watched[a] = true
	}
	p.said, p.adverts, p.resigns = nil, map[string][]time.Time{}, 0
}

// let has time go by, and measures leases that run out, too: whatever else changes is
// measured when it does.
func (p *pair) let(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		p.pass()
	}
	synctest.Wait()
}

// settle has time go by before anything is measured.
func (p *pair) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// devices are the interfaces of each router; the index is the place here, from 2.
var devices = []string{"eth0", "eth1", "blue"}

func (r *router) link(i int) engine.Link {
	n := []string{"192.0.2", "198.51.100", "203.0.113"}[i]
	l := engine.Link{Name: devices[i], Index: i + 2, Up: true, MAC: net.HardwareAddr{2, 0, 0, 0, byte(i), byte(r.role) + 1}}
	l.Addresses = []netip.Addr{netip.MustParseAddr(r.role.Own(n)), netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: byte(i), 15: byte(r.role) + 1})}
	if i == 0 { // those that a key may be changed to
		l.Addresses = append(l.Addresses, netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("fe80::99"))
	}
	return l
}

// run is the loop of the engine.
func (r *router) run(ctx context.Context) {
	e := engine.New(engine.Options{Ports: r})
	for i := range devices {
		e.Link(time.Now(), r.link(i))
	}
	for {
		timer := make(<-chan time.Time)
		if at, ok := e.Deadline(); ok {
			timer = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return
		case f := <-r.queue:
			f(time.Now(), e)
		case <-timer:
			e.Expire(time.Now())
		}
	}
}

func (r *router) do(f func(time.Time, *engine.Engine)) { r.queue <- f }

func (r *router) confirm(name string, now time.Time, e *engine.Engine) {
	for _, s := range e.Status(now) {
		if s.Name == name {
			r.hold.Set(name, s.Held)
		}
	}
}

// apply does what a child process does with a configuration, and tells what tracks and
// witnesses find, a moment later: all is well.
func (r *router) apply(d vrrp.Desired) {
	want := map[string]vrrp.Config{}
	for _, c := range d.Instances {
		want[c.Name] = c
		if err := r.hold.Configure(c); err != nil && !errors.Is(err, syscall.ENODEV) {
			r.p.t.Errorf("%s: %v", c.Name, err)
		}
	}
	r.do(func(now time.Time, e *engine.Engine) { e.Apply(now, d) })
	synctest.Wait()
	for name := range r.have {
		if _, ok := want[name]; !ok {
			r.hold.Remove(name)
		}
	}
	r.have = want
	time.Sleep(20 * time.Millisecond)
	for _, c := range d.Instances {
		r.do(func(now time.Time, e *engine.Engine) {
			for _, t := range c.Track {
				switch t.Kind {
				case vrrp.TrackInterface:
				case vrrp.TrackFile:
					e.Track(now, c.Name, t.Key(), vrrp.Adjustment{})
				default:
					e.Track(now, c.Name, t.Key(), t.Adjustment(true, "all is well"))
				}
			}
			if c.Witness != nil {
				e.Witness(now, c.Name, true)
			}
		})
	}
	synctest.Wait()
}

// Send implements engine.Ports: the other router hears it where it listens.
func (r *router) Send(instance string, out engine.Outgoing) error {
	r.p.mu.Lock()
	r.p.adverts[instance] = append(r.p.adverts[instance], time.Now())
	if out.Payload[2] == 0 {
		r.p.resigns++
	}
	r.p.mu.Unlock()
	peer := r.p.routers[1-r.role]
	msg := engine.Incoming{Index: out.Index, Source: out.Source, Destination: out.Destination, TTL: out.TTL, Payload: slices.Clone(out.Payload)}
	time.AfterFunc(flight, func() {
		peer.do(func(now time.Time, e *engine.Engine) {
			// A unicast packet arrives at each socket that could be meant.
			for _, s := range e.Sockets() {
				if s.Macvlan || s.V6 != msg.Destination.Is6() {
					continue
				}
				at := msg
				at.Index = s.Index
				switch {
				case msg.Destination.IsMulticast() && (s.Index != msg.Index || !slices.Contains(s.Groups, msg.Destination)):
					continue
				case !msg.Destination.IsMulticast() && s.Index != engine.Anywhere && s.Index != 2:
					continue
				case !msg.Destination.IsMulticast() && msg.Destination != peer.link(0).Addresses[0]:
					continue
				}
				e.Receive(now, at)
			}
		})
	})
	return nil
}

// Hold implements engine.Ports.
func (r *router) Hold(instance string, active bool) { r.hold.Set(instance, active) }

// Announce implements engine.Ports.
func (r *router) Announce(instance string) { r.hold.Announce(instance) }

// AnnounceSource implements engine.Ports.
func (r *router) AnnounceSource(s engine.OwnSource) {
	r.hold.AnnounceSource(s.Interface, s.Address, s.MAC)
}

// Event implements engine.Ports.
func (r *router) Event(e vrrp.Event) {
	if e.Kind != vrrp.EventState {
		return
	}
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.said = append(r.p.said, r.role.String()+": "+e.Instance+e.Group+" "+e.From.String()+" -> "+e.To.String()+": "+e.Reason)
}
