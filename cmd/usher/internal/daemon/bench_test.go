package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/notify"
	"usher/cmd/usher/internal/sdnotify"
	"usher/conf"
	"usher/director"
	"usher/director/engine"
	"usher/director/ipvs"
	"usher/director/ipvstest"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
	"usher/vrrp"
)

// sizes are numbers of virtual servers, of ten real servers each.
var sizes = []int{1000, 10000}

// large is a configuration of that many virtual servers; the last real server of
// all has the weight given.
func large(dir string, services, weight int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global {\n  state = %q\n  control = %q\n  http = \"\"\n}\n", filepath.Join(dir, "state"), filepath.Join(dir, "usher.sock"))
	for i := range services {
		fmt.Fprintf(&b, "virtual_server \"s%d\" {\n  address = \"192.168.%d.%d:80\"\n  health_check \"tcp\" { interval = \"60s\" }\n  forward_method = \"nat\"\n", i, i/250, 1+i%250)
		for j := range 10 {
			w := 1
			if i == services-1 && j == 9 {
				w = weight
			}
			fmt.Fprintf(&b, "  real_server \"10.%d.%d.%d:80\" { weight = %d }\n", i/250, i%250, 1+j, w)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// loaded runs a whole daemon, but for its probes and the kernel, which are doubles,
// and returns when every server is in the table.
func loaded(b *testing.B, services int) (d *daemon.Daemon, dir string, kernel *ipvstest.Kernel) {
	dir = b.TempDir()
	file := filepath.Join(dir, "usher.hcl")
	if err := os.WriteFile(file, []byte(large(dir, services, 1)), 0o600); err != nil {
		b.Fatal(err)
	}
	kernel = ipvstest.New()
	loader := &conf.Loader{}
	log, control := logging.New(io.Discard)
	d = daemon.New(daemon.Options{
		Version: "test", Log: log, LogControl: control, Notifier: &sdnotify.Notifier{},
		Load: func(ctx context.Context) (*conf.Config, conf.Diagnostics) {
			return loader.LoadContext(ctx, []string{file}, nil)
		},
		Machine: daemon.Machine{
			Interfaces:     func() ([]string, error) { return nil, nil },
			Capabilities:   func() (uint64, error) { return ^uint64(0), nil },
			Networks:       func() ([]netip.Prefix, error) { return nil, nil },
			NeighbourLimit: func(bool) (int, error) { return 1024, nil },
			Addresses:      func(string) ([]vrrp.LocalAddress, error) { return nil, nil },
		},
		Components: daemon.Components{
			VRRP:   func(conf.Global, func(vrrp.Event), func() []string) daemon.VRRP { return nil },
			Alerts: func() daemon.Alerts { return notify.New(notify.Options{}) },
			Checks: func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
				return checkengine.New(checkengine.Options{Results: h.Results, Events: h.Events, Observe: h.Observe,
					Prober: checkengine.ProberFunc(func(context.Context, *healthcheck.Check) healthcheck.Result {
						return healthcheck.Result{Outcome: healthcheck.Pass}
					})}), nil
			},
			Director: func(state string, events func(director.Event)) (daemon.Director, error) {
				return engine.New(engine.Options{Kernel: kernel, Log: slog.New(slog.DiscardHandler), Events: events, State: state}), nil
			},
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	for complete(kernel.Table()) < services*10 {
		select {
		case err := <-ended:
			b.Fatalf("it ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return d, dir, kernel
}

func complete(t ipvs.Table) int {
	n := 0
	for _, e := range t {
		n += len(e.Destinations)
	}
	return n
}

// BenchmarkStart brings a configuration into an empty table.
func BenchmarkStart(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			for b.Loop() {
				loaded(b, n)
			}
		})
	}
}

// BenchmarkMetrics is what Prometheus asks for.
func BenchmarkMetrics(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			_, dir, _ := loaded(b, n)
			client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "usher.sock"))
			}}}
			size := int64(0)
			for b.Loop() {
				answer, err := client.Get("http://usher/metrics")
				if err != nil {
					b.Fatal(err)
				}
				if size, err = io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
					b.Fatal(answer.Status, err)
				}
				answer.Body.Close()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// BenchmarkReload changes one weight.
func BenchmarkReload(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			d, dir, kernel := loaded(b, n)
			weight := 1
			for b.Loop() {
				b.StopTimer()
				weight++
				if err := os.WriteFile(filepath.Join(dir, "usher.hcl"), []byte(large(dir, n, weight)), 0o600); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := d.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			if done := kernel.History(); len(done) < weight-1 || done[len(done)-1].Kind != ipvs.EditDestination {
				b.Fatalf("last operation %v", done[len(done)-1])
			}
		})
	}
}

// BenchmarkStatus makes the JSON that status and page show.
func BenchmarkStatus(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%dx10", n), func(b *testing.B) {
			d, _, _ := loaded(b, n)
			size := 0
			for b.Loop() {
				text, err := json.Marshal(d.Status())
				if err != nil {
					b.Fatal(err)
				}
				size = len(text)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
