package discovery_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/conf"
	"usher/director/discover"
	directorengine "usher/director/engine"
	"usher/director/ipvstest"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
)

// BenchmarkOneServer: 1,000 pools of 10 discovered servers, of which one leaves and another
// comes: all that the daemon does for that, but for writing the state folder. A change each
// second may cost 10 ms of CPU for 1 %.
func BenchmarkOneServer(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "virtual_server \"pool%d\" {\n  address = \"192.0.%d.%d:80\"\n  health_check \"tcp\" { interval = \"24h\" }\n  discover \"dns\" { name = \"pool%d.example\" }\n}\n", i, 2+i>>8, i&255, i)
	}
	file := filepath.Join(b.TempDir(), "usher.hcl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	if diags.HasErrors() {
		b.Fatal(diags.Text(false))
	}
	pools := map[string]*discover.Pool{}
	answer := func(pool, first int) discover.Answer {
		var a discover.Answer
		for i := first; i < first+10; i++ {
			a.Entries = append(a.Entries, discover.Entry{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(pool >> 8), byte(pool), byte(i)}), 80), Weight: discover.NoWeight})
		}
		return a
	}
	for i, s := range c.Sources() {
		pools[s.Server.Name] = discover.NewPool(s)
		pools[s.Server.Name].Step(0, answer(i, 0), time.Now())
	}
	servers := func(name string) []discover.Server { return pools[name].Servers() }
	serving := c.Discovered(servers)

	d := directorengine.New(directorengine.Options{Kernel: ipvstest.New(), State: b.TempDir()})
	undecided, decided := atomic.Int64{}, make(chan struct{})
	undecided.Store(1000 * 10)
	decide := func(u healthcheck.Update) {
		d.SetHealth(u)
		if u.Verdict.State == healthcheck.Up && undecided.Add(-1) == 0 {
			close(decided)
		}
	}
	checks := checkengine.New(checkengine.Options{Results: decide, Prober: checkengine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
		return healthcheck.Result{Outcome: healthcheck.Pass, Latency: time.Millisecond}
	})})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for _, run := range []func(context.Context) error{d.Run, checks.Run} {
		go func() { ended <- run(ctx) }()
	}
	if err := d.Apply(ctx, serving.Pools()); err != nil {
		b.Fatal(err)
	}
	if err := checks.Apply(serving.Targets()); err != nil {
		b.Fatal(err)
	}
	<-decided // by every first probe
	before := cpu(b)
	b.ResetTimer()
	for n := range b.N {
		at := n % 1000
		name := fmt.Sprintf("pool%d", at)
		if out := pools[name].Step(0, answer(at, 1+n/1000), time.Now()); !out.Changed {
			b.Fatal("nothing changed")
		}
		serving = serving.WithDiscovered(c, at, servers)
		v := serving.VirtualServers[at]
		if err := d.ApplyOne(ctx, v.VirtualServer); err != nil {
			b.Fatal(err)
		}
		if err := checks.ApplyPool(name, v.Targets); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(time.Microsecond)/float64(b.N), "cpu-us/op")
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
