package keys_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/conf/conftest"
	"usher/director"
	ipvsengine "usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
)

// machine is the director and the checks of a daemon, on a kernel in memory; every
// server answers. It has no state folder: eight hundred machines would wait for the disk.
type machine struct {
	t      *testing.T
	kernel *ipvstest.Kernel
	d      *ipvsengine.Engine
	checks *checkengine.Engine
	sysctl *settings
	rules  *rules
	mu     sync.Mutex
	lost   []string // servers and quorums, from the director's events
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, kernel: ipvstest.New(), sysctl: &settings{values: map[string]string{}}, rules: &rules{}}
	m.d = ipvsengine.New(ipvsengine.Options{Kernel: m.kernel, Sysctl: m.sysctl, SNAT: m.rules, Events: m.event})
	m.checks = checkengine.New(checkengine.Options{
		Prober: checkengine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
			return healthcheck.Result{Outcome: healthcheck.Pass, Latency: time.Millisecond}
		}),
		Results: m.d.SetHealth,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{m.d.Run, m.checks.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return m
}

// settings are what the kernel has besides services: sysctls, timeouts, synchronisation
// daemons and source NAT rules.
func (m *machine) settings() string {
	timeouts, err := m.kernel.Timeouts()
	daemons, err2 := m.kernel.SyncDaemons()
	if err := errors.Join(err, err2); err != nil {
		m.t.Fatal(err)
	}
	m.sysctl.mu.Lock()
	defer m.sysctl.mu.Unlock()
	m.rules.mu.Lock()
	defer m.rules.mu.Unlock()
	return fmt.Sprint(m.sysctl.values, timeouts, daemons, m.rules.kept)
}

func (m *machine) event(e director.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.To == string(director.ServerDown) {
		m.lost = append(m.lost, e.VirtualServer+" "+e.RealServer.String()+": "+e.Reason)
	}
}

// apply does what a daemon does with a configuration.
func (m *machine) apply(c *conf.Config) {
	m.t.Helper()
	err := m.d.Configure(context.Background(), c.DirectorSettings())
	if err == nil {
		err = m.d.Apply(context.Background(), c.Pools())
	}
	if err = errors.Join(err, m.checks.Apply(c.Targets())); err != nil {
		m.t.Fatal(err)
	}
	synctest.Wait()
}

// inOnePlace says whether a block is not the health check of one server, which has the
// keys of a virtual server's.
func inOnePlace(blocks []string) bool {
	return len(blocks) < 3 || !strings.HasPrefix(blocks[2], "health_check")
}

// TestServers: a change of each key of the virtual servers and of what is global, on the
// active director and on the backup: the kernel's table has to change as the plan said,
// and as little.
func TestServers(t *testing.T) {
	for _, c := range conftest.Changes(t, func(blocks []string) bool {
		return (blocks[0] == "virtual_server" || blocks[0] == "global") && inOnePlace(blocks)
	}) {
		for _, on := range []conftest.Role{active, backup} {
			t.Run(c.Key+" on the "+on.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { serves(t, c, on) })
			})
		}
	}
}

func serves(t *testing.T, c conftest.Change, on conftest.Role) {
	m := newMachine(t)
	for _, i := range c.Before[on].Instances {
		m.d.SetActive(i.Name, on == active)
	}
	m.apply(c.Before[on])
	time.Sleep(time.Minute)
	clients := map[string]bool{}
	for key, e := range m.kernel.Table() {
		for dest := range e.Destinations {
			m.kernel.SetCounters(key, dest, ipvs.Counters{Active: 5})
			clients[key.String()+" "+dest.String()] = true
		}
	}
	if len(clients) < 8 {
		t.Fatalf("%d servers are in", len(clients))
	}
	said := plan.Compare(c.After[on], c.Before[on])
	if err := said.AddIPVS(t.Context(), m.d, c.After[on]); err != nil {
		t.Fatal(err)
	}
	done, before := len(m.kernel.History()), m.settings()
	m.apply(c.After[on])
	time.Sleep(time.Second)
	synctest.Wait()
	ops := m.kernel.History()[done:]
	lost := 0
	for _, op := range ops {
		gone := op.Kind == ipvs.DelService || op.Kind == ipvs.DelDestination
		if gone && slices.ContainsFunc(keysOf(clients), func(of string) bool { return strings.HasPrefix(of+" ", place(op)+" ") }) {
			lost++
		}
		if !slices.ContainsFunc(said.IPVS.Changes, func(c director.Change) bool { return announced(c, op) }) {
			t.Errorf("the plan did not say: %v", op)
		}
	}
	other := slices.ContainsFunc(said.IPVS.Changes, func(c director.Change) bool { return c.Service == "" })
	if after := m.settings(); other != (after != before) {
		t.Errorf("the plan says of settings and rules %v, and they were %s and are %s", other, before, after)
	}
	if lost != said.IPVS.Drops() {
		t.Errorf("%d changes lose connections, and the plan says %d", lost, said.IPVS.Drops())
	}
	for _, line := range said.IPVS.Changes {
		if line.Service != "" && line.Kind != "fullnat" && !line.Checked && !slices.ContainsFunc(ops, func(op ipvs.Op) bool { return announced(line, op) }) {
			t.Errorf("the plan said, and nothing did: %v %v", line.Service, line)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lost) > 0 {
		t.Errorf("taken for down: %q", m.lost)
	}
	t.Logf("plan %v\nops %v", said, ops)
}

func keysOf(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// place is the service, or the server in it, that an operation is about.
func place(op ipvs.Op) string {
	if op.Dest.Address.IsValid() {
		return op.Key.String() + " " + op.Dest.String()
	}
	return op.Key.String()
}

// announced says whether a line of a plan is about an operation. What becomes of the
// servers of a service that goes is said with it.
func announced(c director.Change, op ipvs.Op) bool {
	if c.Service != op.Key.String() {
		return false
	}
	if !c.RealServer.IsValid() {
		return !op.Dest.Address.IsValid() || c.Action == director.ActionRemove
	}
	return op.Dest.Address.IsValid() && c.RealServer.String() == op.Dest.String()
}

// settings are kernel settings in memory: all of them are there.
type settings struct {
	mu     sync.Mutex
	values map[string]string
}

func (s *settings) Get(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(name, "net.netfilter") {
		return "", fs.ErrNotExist
	}
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	if strings.HasSuffix(name, "sync_threshold") {
		return "3 50", nil
	}
	return "0", nil
}

func (s *settings) Set(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = value
	return nil
}

// rules are source NAT rules in memory.
type rules struct {
	mu   sync.Mutex
	kept []director.SNATRule
}

func (r *rules) same(want []director.SNATRule) bool {
	return slices.EqualFunc(r.kept, want, func(a, b director.SNATRule) bool {
		return a.Service == b.Service && slices.Equal(a.Pool, b.Pool) && slices.Equal(a.Except, b.Except)
	})
}

func (r *rules) Same(want []director.SNATRule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.same(want), nil
}

func (r *rules) Keep(want []director.SNATRule) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := !r.same(want)
	r.kept = want
	return changed, nil
}

func (r *rules) Remove() error { return nil }

func (r *rules) Watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}
