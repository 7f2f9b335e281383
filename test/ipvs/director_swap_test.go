package ipvs

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/director/ipvs"
	"usher/director/ipvs/genl"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// swapConfig has a quorum that is gained at 40 and lost below 20, and two sorry
// servers: one with a check, one without. Files say which server is healthy.
func swapConfig(dir, servers string) string {
	return fmt.Sprintf(`
virtual_server "web" {
  address        = "192.168.60.240:8000"
  scheduler      = "wrr"
  forward_method = "fullnat"
  quorum         = 30
  hysteresis     = 10
  slow_start     = "3s"
  on_failure     = "quiesce"
  drain_timeout  = "30s"
  %[2]s
  sorry_server "10.1.3.8:8001" {
    health_check "file" {
      path     = "%[1]s/sorry"
      interval = "100ms"
      rise     = 1
      fall     = 1
    }
  }
  sorry_server "10.1.3.8:8002" {}
}
`, dir, servers)
}

func swapServer(dir, address string, weight int, file string) string {
	return fmt.Sprintf(`
  real_server %q {
    weight = %d
    health_check "file" {
      path     = "%s/%s"
      interval = "100ms"
      rise     = 1
      fall     = 1
    }
  }
`, address, weight, dir, file)
}

// pools watches a service in the kernel: every table that it saw.
type pools struct {
	mu    sync.Mutex
	seen  []map[string]uint32 // weights by server, each once
	empty int
	reads int
	stop  func()
}

func watchPool(t *testing.T, n *lab.Node, vip string) *pools {
	t.Helper()
	var k *genl.Kernel
	labtest.Must(t, n.Do(func() (err error) {
		k, err = genl.Open()
		return err
	}))
	p := &pools{}
	over, ended := make(chan struct{}), make(chan struct{})
	p.stop = sync.OnceFunc(func() {
		close(over)
		<-ended
		k.Close()
	})
	t.Cleanup(p.stop)
	key := ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort(vip))
	go func() {
		defer close(ended)
		for pause := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-over:
				pause.Stop()
				return
			case <-pause.C:
			}
			table, err := k.Read()
			if err != nil {
				t.Error(err)
				return
			}
			p.take(table[key].Destinations)
		}
	}()
	return p
}

func (p *pools) take(dests map[ipvs.DestinationKey]ipvs.Destination) {
	now := map[string]uint32{}
	serves := false
	for dest, d := range dests {
		now[dest.String()] = d.Weight
		serves = serves || d.Weight > 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if !serves {
		p.empty++
	}
	if len(p.seen) == 0 || !maps.Equal(p.seen[len(p.seen)-1], now) {
		p.seen = append(p.seen, now)
	}
}

// weights gives the weights that a server had, one after the other.
func (p *pools) weights(server string) []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []uint32
	for _, s := range p.seen {
		if w := s[server]; len(all) == 0 || all[len(all)-1] != w {
			all = append(all, w)
		}
	}
	return all
}

// callers open one connection after the other until they are stopped, and give
// those that failed. They are not so many that a client runs out of ports.
func callers(t *testing.T, n *lab.Node, vip string, many int) (stop func() (total int, failed []error)) {
	t.Helper()
	over := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	total, failed := 0, []error(nil)
	for i := range many {
		wg.Go(func() {
			for pause := time.NewTicker(10 * time.Millisecond); ; {
				select {
				case <-over:
					pause.Stop()
					return
				case <-pause.C:
				}
				_, c, err := connect(n, lab.ClientAddr(i), vip)
				if err == nil {
					c.Close()
				}
				mu.Lock()
				total++
				if err != nil {
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	stop = sync.OnceValues(func() (int, []error) {
		close(over)
		wg.Wait()
		return total, failed
	})
	t.Cleanup(func() { stop() })
	return stop
}

// Quorum, sorry servers, slow start and every kind of reload: while clients connect
// without a pause, no connection fails, and the kernel's pool never stands empty.
func TestDirectorSwap(t *testing.T) {
	const vip = "192.168.60.240:8000"
	l := suite.New(t, "fullnat")
	for _, n := range l.Real {
		for _, port := range []int{8000, 8001, 8002} {
			answerTCP(t, n, port)
		}
	}
	dir := l.A.Dir
	set := func(up bool, files ...string) {
		t.Helper()
		for _, f := range files {
			if up {
				labtest.File(t, l.A, f, "")
			} else {
				labtest.Must(t, os.Remove(filepath.Join(dir, f)))
			}
		}
	}
	one, two, three := swapServer(dir, "10.1.2.3:8000", 30, "one"), swapServer(dir, "10.1.4.5:8000", 20, "two"), swapServer(dir, "10.1.3.8:8000", 50, "three")
	set(true, "one", "two", "three", "sorry")
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.240/32", "dev", "eth0"))
	file := labtest.File(t, l.A, "usher.hcl", swapConfig(dir, one+two))
	p := labtest.Start(t, l.A, "-c", file)
	serving := func(want ...string) {
		t.Helper()
		labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("%q serve", want), func() error {
			var have []string
			for _, line := range destinations(t, l.A, vip) {
				if f := strings.Fields(line); f[2] != "0" {
					have = append(have, f[0]+" "+f[2])
				}
			}
			if !slices.Equal(have, want) {
				return fmt.Errorf("these do: %q", have)
			}
			return nil
		}))
	}
	serving("10.1.2.3:8000 30", "10.1.4.5:8000 20")
	watch := watchPool(t, l.A, vip)
	stop := callers(t, l.Client, vip, 3)

	set(false, "one") // 20 is not below 20
	serving("10.1.4.5:8000 20")
	labtest.Must(t, p.Kill())
	labtest.Start(t, l.A, "-c", file)
	labtest.Must(t, l.A.AwaitServers(t.Context(), "web", "down", "10.1.2.3:8000"))
	serving("10.1.4.5:8000 20") // the quorum is as it was
	set(false, "two")
	serving("10.1.3.8:8001 1")
	set(false, "sorry")
	serving("10.1.3.8:8002 1")
	set(true, "sorry")
	serving("10.1.3.8:8001 1")
	set(true, "one") // 30 is below 40
	labtest.Must(t, lab.Until(t.Context(), "its check has passed", func() error {
		status, err := l.A.Status(t.Context())
		if err != nil {
			return err
		}
		if rs := status.VirtualServers[0].RealServers[0]; rs.State != "up" {
			return fmt.Errorf("%s is %s", rs.Address, rs.State)
		}
		return nil
	}))
	serving("10.1.3.8:8001 1")
	set(true, "two")
	serving("10.1.2.3:8000 30", "10.1.4.5:8000 20")
	set(false, "one")
	serving("10.1.4.5:8000 20")
	set(true, "one")
	serving("10.1.2.3:8000 30", "10.1.4.5:8000 20")
	all := watch.weights("10.1.2.3:8000")
	out := len(all) - 1
	for out > 0 && all[out] != 0 {
		out--
	}
	if ramp := all[out+1:]; len(ramp) < 3 || !slices.IsSorted(ramp) {
		t.Errorf("the server had the weights %d, and came back without a ramp", all)
	}

	reload := func(config string) {
		t.Helper()
		labtest.File(t, l.A, "usher.hcl", config)
		_, err := l.A.Usher(t.Context(), "reload")
		labtest.Must(t, err)
	}
	reload(swapConfig(dir, three)) // all others
	serving("10.1.3.8:8000 50")
	// Not the scheduler: between the old and the new one the kernel has none for an RCU
	// grace period, and refuses who comes then. Connections that stand do not notice,
	// see TestDirectorConnectionsSurvive.
	reload(strings.Replace(swapConfig(dir, one+three), `quorum         = 30`, "quorum = 20\n persistence = \"60s\"", 1))
	serving("10.1.2.3:8000 30", "10.1.3.8:8000 50")
	reload(strings.ReplaceAll(swapConfig(dir, one+two), ".5:8000", ".5:8001")) // another port
	serving("10.1.2.3:8000 30", "10.1.4.5:8001 20")

	total, failed := stop()
	watch.stop()
	t.Logf("%d connections, %d looks at the kernel", total, watch.reads)
	if len(failed) > 0 {
		t.Errorf("%d of %d connections failed: %v", len(failed), total, failed[0])
	}
	if watch.empty > 0 || watch.reads < 100 {
		t.Errorf("the pool was empty in %d of %d looks: %v", watch.empty, watch.reads, watch.seen)
	}
}
