package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/peers/peerstest"
	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
)

// member is a daemon with a director's engine on a kernel in memory, in a group.
type member struct {
	*fixture
	between *peerstest.Network // the members of the group
	kernel  *ipvstest.Kernel
	d       *daemon.Daemon
	stop    func() error

	changed chan struct{} // after an operation of the kernel

	mu  sync.Mutex
	had map[netip.AddrPort]bool // servers that were given connections
}

// group makes some daemons that know each other's addresses, and starts none.
func group(t *testing.T, n int) []*member {
	t.Helper()
	between := peerstest.New()
	at := func(i int) string { return fmt.Sprintf(`"127.0.0.%d"`, i+1) }
	var join []string
	for i := range n {
		join = append(join, at(i))
	}
	var all []*member
	for i := range n {
		m := &member{fixture: newFixture(t), between: between, kernel: ipvstest.New(), had: map[netip.AddrPort]bool{}, changed: make(chan struct{}, 1)}
		m.kernel.Watch(func(table ipvs.Table) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, e := range table {
				for key, d := range e.Destinations {
					if d.Weight > 0 {
						m.had[netip.AddrPortFrom(key.Address, key.Port)] = true
					}
				}
			}
			select {
			case m.changed <- struct{}{}:
			default:
			}
		})
		text := strings.Replace(m.both("eth0", "web"), `"lb1"`, fmt.Sprintf(`"lb%d"`, i+1), 1)
		m.write(text + fmt.Sprintf("peers {\n  listen = %s\n  join = [%s]\n}\n", at(i), strings.Join(join, ", ")))
		all = append(all, m)
	}
	return all
}

// begin starts it, on the table as it is.
func (m *member) begin() {
	m.t.Helper()
	m.world, m.log = newWorld(), &safeBuffer{}
	go func(quorum <-chan string) { // which nobody looks at here
		for {
			select {
			case <-quorum:
			case <-m.t.Context().Done():
				return
			}
		}
	}(m.world.activated)
	m.world.network = slow{m.between}
	m.parts = m.world.parts()
	m.parts.Director = func(state string, events func(director.Event)) (daemon.Director, error) {
		return engine.New(engine.Options{Kernel: m.kernel, State: state, Events: events, Log: slog.New(slog.DiscardHandler)}), nil
	}
	made := m.parts.Checks
	m.parts.Checks = func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
		checks, bfd := made(h)
		return &healthy{checks, h}, bfd
	}
	m.d, m.stop = m.fixture.start()
}

// slow is a network in memory, with a way that takes a while.
type slow struct{ *peerstest.Network }

func (s slow) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
	}
	return s.Network.Dial(ctx, from, to)
}

// healthy are checks that find every server up as soon as they hear of it.
type healthy struct {
	daemon.Checks
	h daemon.ChecksHandlers
}

func (c *healthy) Apply(all []healthcheck.Target) error {
	for _, t := range all {
		c.h.Results(healthcheck.Update{ID: t.ID, Verdict: healthcheck.Verdict{State: healthcheck.Up, Percent: 100}, At: time.Now()})
	}
	return c.Checks.Apply(all)
}

// watch gives the servers that were given connections since it was last told to begin anew.
func (m *member) watch(anew bool) map[netip.AddrPort]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	had := maps.Clone(m.had)
	if anew {
		clear(m.had)
	}
	return had
}

func serverOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)
}

// order steers, and gives the answer.
func (m *member) order(path string, s api.Steer) string {
	m.t.Helper()
	s.VirtualServer = "web"
	var done api.Done
	if err := api.Socket(m.socket()).Post(m.t.Context(), "/api/v1/"+path, s, &done); err != nil {
		m.t.Error(err)
	}
	return done.Message
}

// shared steers, and gives the answer by which another director has it, too: on a busy
// machine that is said again, for an answer does not wait for longer than a second.
func (m *member) shared(to, path string, s api.Steer) (answer string) {
	m.t.Helper()
	for range 30 {
		if answer = m.order(path, s); strings.HasSuffix(answer, "; "+to+" has it, too") {
			return answer
		}
	}
	m.t.Fatalf("the answer is %q", answer)
	return ""
}

// weight is a server's in the kernel; -1 for none.
func (m *member) weight(i int) int {
	for _, e := range m.kernel.Table() {
		for key, d := range e.Destinations {
			if netip.AddrPortFrom(key.Address, key.Port) == serverOf(i) {
				return int(d.Weight)
			}
		}
	}
	return -1
}

// settles waits until a server has a weight in the kernel.
func (m *member) settles(i, want int) {
	m.t.Helper()
	patience := time.After(30 * time.Second)
	for m.weight(i) != want {
		select {
		case <-m.changed:
		case <-patience:
			m.t.Fatalf("server %d has weight %d, not %d\n%s", i, m.weight(i), want, m.log)
		}
	}
}

// sees waits for an event that has these words in it.
func (m *member) sees(words string) {
	m.t.Helper()
	m.await(m.d, func(e events.Event) bool { return strings.Contains(e.Reason, words) }, m.ended)
}

// TestPeers: a drain is in force on the other director when the answer names it, a
// director that was down meanwhile gives the server no connection when it starts, though
// it served it before; what is for one director stays there, and what is lifted is lifted
// on all.
func TestPeers(t *testing.T) {
	all := group(t, 2)
	a, b := all[0], all[1]
	a.begin()
	a.sees("no other director answers")
	b.begin()
	for _, m := range all {
		m.settles(1, 1)
		m.settles(2, 1)
	}
	a.sees("director lb2 at ")

	said := time.Now()
	a.shared("lb2", "drain", api.Steer{RealServer: "10.0.0.1:80", Reason: "new disk", ForSeconds: 3600})
	b.settles(1, -1)
	o := b.d.Status().VirtualServers[0].RealServers[0].Override
	if o == nil || o.Mode != "drain" || !strings.HasSuffix(o.By, " on lb1") || o.Reason != "new disk" || o.Until == nil || o.Until.Before(said.Add(time.Hour-time.Minute)) || o.Until.After(time.Now().Add(time.Hour+time.Second)) {
		t.Errorf("on the other one it is %+v", o)
	}

	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	a.sees(" has left")
	if got := a.order("disable", api.Steer{RealServer: "10.0.0.2:80", Force: true}); !strings.Contains(got, "lb2 does not have it yet: left (since 20") {
		t.Errorf("the answer is %q", got)
	}
	a.order("enable", api.Steer{RealServer: "10.0.0.1:80"})
	b.watch(true)
	b.begin()
	b.settles(1, 1)
	if w := b.weight(2); w > 0 || b.watch(false)[serverOf(2)] {
		t.Errorf("a server that was disabled meanwhile has weight %d, and had: %v", w, b.had)
	}

	if got := a.order("weight", api.Steer{RealServer: "10.0.0.1:80", Weight: new(7), Local: true}); !strings.HasSuffix(got, "; on this director alone") {
		t.Errorf("the answer is %q", got)
	}
	a.settles(1, 7)
	b.shared("lb1", "enable", api.Steer{RealServer: "10.0.0.2:80"})
	a.settles(2, 1)
	if b.weight(1) != 1 || a.weight(1) != 7 {
		t.Errorf("weights %d and %d", b.weight(1), a.weight(1))
	}
	b.order("weight", api.Steer{RealServer: "10.0.0.1:80", Weight: new(9)})
	a.settles(1, 9)
	if got := b.order("enable", api.Steer{RealServer: "10.0.0.1:80"}); !strings.Contains(got, "no longer weight 9") {
		t.Errorf("the answer is %q", got)
	}
	a.settles(1, 1)
}

// TestPeersOfOtherFiles: what is said of a server that this director does not have is
// kept, over a restart, too, and holds when its file has it.
func TestPeersOfOtherFiles(t *testing.T) {
	all := group(t, 2)
	a, b := all[0], all[1]
	a.begin()
	b.begin()
	a.sees("director lb2 at ")
	read, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	full := string(read)
	b.write(strings.Replace(full, `real_server "10.0.0.2:80" {}`, "", 1))
	if err := b.d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.shared("lb2", "drain", api.Steer{RealServer: "10.0.0.2:80"})
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.begin()
	b.watch(true)
	b.write(full)
	if err := b.d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.settles(1, 1)
	if o := b.d.Status().VirtualServers[0].RealServers[1]; o.Override == nil || b.watch(false)[serverOf(2)] {
		t.Errorf("it is %+v, and had connections: %v", o, b.had)
	}
}
