package discovery_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/cmd/usher/internal/discovery"
	"usher/conf"
	"usher/director/discover"
	directorengine "usher/director/engine"
	"usher/director/ipvstest"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
)

// How many pools there are, each of so many servers.
const pools, size = 1000, 10

// load reads a configuration of pools whose sources are names, with more keys.
func load(b *testing.B, more string) *conf.Config {
	var text strings.Builder
	for i := range pools {
		fmt.Fprintf(&text, "virtual_server \"pool%d\" {\n  address = \"192.0.%d.%d:80\"\n  health_check \"tcp\" { interval = \"24h\" }\n  discover \"dns\" {\n    name = \"pool%d.example\"\n    %s\n  }\n}\n", i, 2+i>>8, i&255, i, more)
	}
	file := filepath.Join(b.TempDir(), "usher.hcl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	if diags.HasErrors() {
		b.Fatal(diags.Text(false))
	}
	return c
}

// world is what follows a pool's servers: the director on a double of the kernel's table,
// and checks that all pass.
type world struct {
	b        *testing.B
	written  *conf.Config
	serving  *conf.Config
	director *directorengine.Engine
	checks   *checkengine.Engine
	decided  chan struct{} // closed when as many servers are up as there are in all
}

func newWorld(ctx context.Context, b *testing.B, c *conf.Config) *world {
	w := &world{b: b, written: c, serving: c, director: directorengine.New(directorengine.Options{Kernel: ipvstest.New(), State: b.TempDir()}), decided: make(chan struct{})}
	undecided := atomic.Int64{}
	undecided.Store(pools * size)
	decide := func(u healthcheck.Update) {
		w.director.SetHealth(u)
		if u.Verdict.State == healthcheck.Up && undecided.Add(-1) == 0 {
			close(w.decided)
		}
	}
	w.checks = checkengine.New(checkengine.Options{Results: decide, Prober: checkengine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
		return healthcheck.Result{Outcome: healthcheck.Pass, Latency: time.Millisecond}
	})})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	for _, run := range []func(context.Context) error{w.director.Run, w.checks.Run} {
		go func() { ended <- run(ctx) }()
	}
	b.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
	})
	return w
}

// apply makes what is discovered the whole configuration.
func (w *world) apply(ctx context.Context, servers func(string) []discover.Server) {
	w.serving = w.written.Discovered(servers)
	if err := w.director.Apply(ctx, w.serving.Pools()); err != nil {
		w.b.Fatal(err)
	}
	if err := w.checks.Apply(w.serving.Targets()); err != nil {
		w.b.Fatal(err)
	}
}

// follow has one pool follow what is discovered, as the daemon does it.
func (w *world) follow(ctx context.Context, at int, servers func(string) []discover.Server) {
	w.serving = w.serving.WithDiscovered(w.written, at, servers)
	v := w.serving.VirtualServers[at]
	if err := w.director.ApplyOne(ctx, v.VirtualServer); err != nil {
		w.b.Fatal(err)
	}
	if err := w.checks.ApplyPool(v.Name, v.Targets); err != nil {
		w.b.Fatal(err)
	}
}

// BenchmarkOneServer: 1,000 pools of 10 discovered servers, of which one leaves and another
// comes: all that the daemon does for that, but for the question and for writing the state
// folder. A change each second may cost 10 ms of CPU for 1 %.
func BenchmarkOneServer(b *testing.B) {
	c := load(b, "")
	all := map[string]*discover.Pool{}
	answer := func(pool, first int) discover.Answer {
		var a discover.Answer
		for i := first; i < first+size; i++ {
			a.Entries = append(a.Entries, discover.Entry{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(pool >> 8), byte(pool), byte(i)}), 80), Weight: discover.NoWeight})
		}
		return a
	}
	for i, s := range c.Sources() {
		all[s.Server.Name] = discover.NewPool(s)
		all[s.Server.Name].Step(0, answer(i, 0), time.Now())
	}
	servers := func(name string) []discover.Server { return all[name].Servers() }
	ctx := context.Background()
	w := newWorld(ctx, b, c)
	w.apply(ctx, servers)
	<-w.decided // by every first probe
	before := cpu(b)
	b.ResetTimer()
	for n := range b.N {
		at := n % pools
		if out := all[c.VirtualServers[at].Name].Step(0, answer(at, 1+n/pools), time.Now()); !out.Changed {
			b.Fatal("nothing changed")
		}
		w.follow(ctx, at, servers)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(time.Microsecond)/float64(b.N), "cpu-us/op")
}

// BenchmarkFollowDNS: 1,000 pools of 10, whose names a DNS server of another process
// answers for; one server is exchanged each second. An operation is a second of all that
// usher does for it, questions, the director, the checks' engine and the state folder,
// with the default interval and TTLs from that of the interval to Consul's, 0. What the
// director and the checks do of 10,000 servers that nobody discovers is told beside it.
func BenchmarkFollowDNS(b *testing.B) {
	for _, ttl := range []time.Duration{30 * time.Second, 5 * time.Second, 0} {
		b.Run("TTL="+ttl.String(), func(b *testing.B) { followDNS(b, ttl) })
	}
}

func followDNS(b *testing.B, ttl time.Duration) {
	zone := startZone(b, ttl)
	c := load(b, fmt.Sprintf("servers = [%q]", zone.addr))
	at := make(map[string]int, pools)
	for i := range c.VirtualServers {
		at[c.VirtualServers[i].Name] = i
	}
	changed := make(chan int, 10*pools)
	state := b.TempDir()
	d := discovery.New(discovery.Options{State: state, Changed: func(name string) { changed <- at[name] }})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	d.Apply(c.Sources())
	go func() { ended <- d.Run(ctx) }()
	d.Answered(ctx)
	for len(changed) > 0 { // the first answer of each
		<-changed
	}
	w := newWorld(b.Context(), b, c) // which goes on when discovery has ended
	w.apply(ctx, d.Servers)
	<-w.decided
	for { // until the first sets are written
		if files, err := filepath.Glob(filepath.Join(state, "discovered", "*.json")); err != nil || len(files) == pools {
			break
		}
		<-time.After(100 * time.Millisecond)
	}
	runtime.GC() // of what the start left
	before, asked, changes := cpu(b), zone.asked(b), 0
	b.ResetTimer()
	over := time.After(time.Duration(b.N) * time.Second)
	for running := true; running; {
		select {
		case one := <-changed:
			changes++
			w.follow(ctx, one, d.Servers)
		case <-over:
			running = false
		}
	}
	b.StopTimer()
	second := float64(b.N)
	all := 100 * (cpu(b) - before).Seconds() / second
	b.ReportMetric(float64(zone.asked(b)-asked)/second, "questions/s")
	b.ReportMetric(float64(changes)/second, "changes/s")
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	before = cpu(b) // the director and the checks have something to do in any case
	<-time.After(time.Duration(b.N) * time.Second / 2)
	idle := 100 * (cpu(b) - before).Seconds() / (second / 2)
	b.ReportMetric(all-idle, "%core-discovery")
	b.ReportMetric(idle, "%core-idle")
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
