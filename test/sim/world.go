package sim

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// world is everything of one run.
type world struct {
	t        *testing.T
	seed     uint64
	rng      *rand.Rand
	plan     Plan
	start    time.Time
	lans     map[string]*lan
	machines []*machine
	pools    []director.VirtualServer
	targets  []healthcheck.Target

	mu      sync.Mutex
	healthy map[netip.AddrPort]bool
	story   []string  // what happened, for a failure's report
	last    time.Time // accident that may move an address
	lastCut time.Time // accident other than a stall
	lastAny time.Time // entry in the story
	sent    map[sender][]time.Time

	// The following are used by the goroutine of Run alone.
	ends       map[time.Duration]func()
	handedOver bool // an operator moved addresses: who is active is not told by priorities alone
}

// machine is one director's hardware and kernel.
type machine struct {
	world     *world
	id        int
	state     string // folder
	addresses *viptest.Kernel
	ipvs      *ipvstest.Kernel
	process   *process // nil while none runs

	mu       sync.Mutex
	carrier  map[string]bool // of its interfaces
	back     bool            // it reaches the real servers
	stopped  bool            // SIGSTOP
	refusing bool            // its kernel takes no address
	resumed  time.Time       // the last SIGCONT
	says     vrrp.Adjustment // of its track
}

func newWorld(t *testing.T, seed uint64, plan Plan) *world {
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), plan: plan, start: time.Now(), last: time.Now(),
		lastCut: time.Now(), lastAny: time.Now(), ends: map[time.Duration]func(){},
		lans: map[string]*lan{}, healthy: map[netip.AddrPort]bool{}, sent: map[sender][]time.Time{},
	}
	for i, name := range plan.interfaces() {
		w.lans[name] = newLAN(plan.stations(), rand.New(rand.NewPCG(seed, uint64(i)+1)), plan.Weather)
	}
	w.pools, w.targets = plan.pools()
	for _, target := range w.targets {
		w.healthy[target.ID.RealServer] = true
	}
	for id := range plan.Directors {
		m := &machine{
			world: w, id: id, state: t.TempDir(), addresses: &viptest.Kernel{}, ipvs: ipvstest.New(),
			carrier: map[string]bool{}, back: true,
		}
		for name := range w.lans {
			m.addresses.AddLink(name)
			m.carrier[name] = true
		}
		if errs := m.ipvs.Apply(foreign()); errs != nil {
			t.Fatalf("foreign service: %v", errs)
		}
		w.machines = append(w.machines, m)
	}
	return w
}

// foreign is a service that somebody else made; usher must never touch it.
func foreign() []ipvs.Op {
	key := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort("198.51.100.1:8080"))
	dest := ipvs.DestinationKey{Address: netip.MustParseAddr("198.51.100.2"), Port: 8080}
	return []ipvs.Op{
		{Kind: ipvs.AddService, Key: key, Service: ipvs.Service{Scheduler: "wlc", Netmask: 32}},
		{Kind: ipvs.AddDestination, Key: key, Dest: dest, Destination: ipvs.Destination{Weight: 7}},
	}
}

// say adds a line to the story.
func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastAny = time.Now()
	w.story = append(w.story, fmt.Sprintf("%12s  %s", time.Since(w.start), fmt.Sprintf(format, args...)))
}

// accident is say, for what may move an address.
func (w *world) accident(format string, args ...any) {
	w.pauseOf(format, args...)
	w.mu.Lock()
	w.lastCut = time.Now()
	w.mu.Unlock()
}

// pauseOf is accident, for a stall, which cuts nobody off: whoever was active and
// was not stalled itself stays so.
func (w *world) pauseOf(format string, args ...any) {
	w.say(format, args...)
	w.mu.Lock()
	w.last = time.Now()
	w.mu.Unlock()
}

// sinceAccident is how long nothing has happened.
func (w *world) sinceAccident() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.last)
}

// fail ends the run with the last of the story and the seed that repeats it.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.mu.Lock()
	story := w.story
	w.mu.Unlock()
	if len(story) > 60 {
		story = story[len(story)-60:]
	}
	w.t.Errorf("seed %d, after %s: %s\n%s\n(repeat with: go test ./test/sim -run '%s' -seed %d)",
		w.seed, time.Since(w.start), fmt.Sprintf(format, args...), strings.Join(story, "\n"), w.t.Name(), w.seed)
}

// address is a machine's own on an interface.
func (m *machine) address(name string) netip.Addr {
	net := byte(1)
	if name != "eth0" {
		net = 2
	}
	return netip.AddrFrom4([4]byte{10, net, 0, byte(m.id + 1)})
}

func (m *machine) address6(name string) netip.Addr {
	a := netip.MustParseAddr("fe80::").As16()
	a[14], a[15] = name[len(name)-1], byte(m.id+1)
	return netip.AddrFrom16(a)
}

// links are a machine's interfaces as a new process finds them.
func (m *machine) links() []engine.Link {
	var all []engine.Link
	for _, name := range m.world.plan.interfaces() {
		all = append(all, m.link(name))
	}
	return all
}

func (m *machine) link(name string) engine.Link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return engine.Link{
		Name: name, Index: int(name[len(name)-1]), Up: m.carrier[name],
		MAC:       net.HardwareAddr{2, 0, 0, 0, name[len(name)-1], byte(m.id + 1)},
		Addresses: []netip.Addr{m.address(name), m.address6(name)},
	}
}

// setCarrier pulls a cable that the machine notices, or puts it back.
func (m *machine) setCarrier(name string, up bool) {
	m.mu.Lock()
	m.carrier[name] = up
	m.mu.Unlock()
	m.world.isolate(name, m.id, !up)
	if p := m.process; p != nil {
		p.do(func(now time.Time, e *engine.Engine) { e.Link(now, m.link(name)) })
	}
}

// isolate cuts a machine off from all others on a network, both ways.
func (w *world) isolate(name string, id int, on bool) {
	for other := range w.machines {
		w.lans[name].cut(id, other, on)
		w.lans[name].cut(other, id, on)
	}
}

// connected says whether two machines hear each other on every network, with
// cables in.
func (w *world) connected(a, b *machine) bool {
	for name, l := range w.lans {
		if !l.hears(a.id, b.id) || !l.hears(b.id, a.id) || !a.up(name) || !b.up(name) {
			return false
		}
	}
	return true
}

func (m *machine) up(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.carrier[name]
}

// able says whether the machine could be active: it runs, all cables are in, and it does
// not say that its kernel takes no address.
func (m *machine) able() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, up := range m.carrier {
		if !up {
			return false
		}
	}
	return m.process != nil && !m.stopped && !m.refusing && !m.process.lacks.any()
}

// found is what addresses a machine has.
type found []vip.Found

func (m *machine) found() found {
	all, err := m.addresses.Addresses()
	if err != nil {
		m.world.t.Fatalf("list addresses: %v", err)
	}
	return all
}

// count says how many of an instance's addresses are there.
func (f found) count(c vrrp.Config) int {
	n := 0
	for _, a := range c.Addresses {
		for _, have := range f {
			if have.Address.Prefix == a.Prefix {
				n++
			}
		}
	}
	return n
}

// holds says whether the machine has all addresses of an instance.
func (m *machine) holds(c vrrp.Config) bool { return m.found().count(c) == len(c.Addresses) }

// snatch removes an address as a careless network manager does.
func (m *machine) snatch(c vrrp.Config) {
	for _, a := range c.Addresses {
		_ = m.addresses.Remove(vip.Address{Link: c.Interface, Prefix: a.Prefix})
	}
}

// record follows a machine's transitions, and fails on a false takeover: of a
// router that has been there, better and heard on every network all along.
func (m *machine) record(e vrrp.Event) {
	w := m.world
	if e.Kind == vrrp.EventState || e.Kind == vrrp.EventSplitBrain {
		w.say("director %d: %s %s %s -> %s: %s", m.id, e.Kind, e.Instance, e.From, e.To, e.Reason)
	}
	if e.Kind != vrrp.EventState || e.To != vrrp.Active || e.Instance == "" || w.plan.Weather.Loss > 0 {
		return
	}
	w.mu.Lock()
	calm := time.Since(w.lastCut) > w.plan.bound().None
	w.mu.Unlock()
	for _, other := range w.machines {
		if calm && other != m && !other.isDegraded() && !other.isRefusing() && other.steady() > w.plan.bound().None && w.priority(other.id) > w.priority(m.id) && w.connected(other, m) {
			w.fail("director %d took %s over from director %d, which was there all along", m.id, e.Instance, other.id)
		}
	}
}

// steady is how long the machine has run without a stall; 0 where it does not run.
func (m *machine) steady() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == nil || m.stopped {
		return 0
	}
	return time.Since(m.resumed)
}

// answer is what a probe from a machine finds.
func (w *world) answer(id int, server netip.AddrPort) healthcheck.Result {
	m := w.machines[id]
	m.mu.Lock()
	back := m.back
	m.mu.Unlock()
	w.mu.Lock()
	healthy := w.healthy[server]
	w.mu.Unlock()
	if !back || !healthy {
		return healthcheck.Result{Outcome: healthcheck.Fail, Reason: "connection refused"}
	}
	return healthcheck.Result{Outcome: healthcheck.Pass, Latency: time.Millisecond}
}
