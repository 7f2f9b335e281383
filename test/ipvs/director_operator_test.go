package ipvs

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/director/engine"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

const operatorVIP = "192.168.60.240:8000"

// operatorConfig is a pool without checks: nothing changes but by the test.
func operatorConfig(drain string, weights map[string]int) string {
	var servers strings.Builder
	for _, address := range slices.Sorted(maps.Keys(weights)) {
		fmt.Fprintf(&servers, "  real_server %q { weight = %d }\n", address, weights[address])
	}
	return fmt.Sprintf(`
virtual_server "web" {
  address        = %q
  scheduler      = "wrr"
  forward_method = "nat"
  drain_timeout  = %q
%s}
`, operatorVIP, drain, servers.String())
}

// What operators say holds over a kill -9, a new start and a reload until it is lifted,
// and shows; a drain ends with the last connection, or at its timeout; a kernel that
// tells by an error that its table is another is put right at once.
func TestDirectorOperators(t *testing.T) {
	const one, two, three = "10.1.2.3:8000", "10.1.4.5:8000", "10.1.3.8:8000"
	l := suite.New(t, "nat")
	for _, n := range l.Real {
		answerTCP(t, n, 8000)
	}
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", lab.BackVIP.String()+"/32", "dev", "eth1"))
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.240/32", "dev", "eth0"))
	file := labtest.File(t, l.A, "usher.hcl", operatorConfig("10s", map[string]int{one: 10, two: 10, three: 10}))
	usher := func(args ...string) {
		t.Helper()
		_, err := l.A.Usher(t.Context(), args...)
		labtest.Must(t, err)
	}
	// holds waits until ipvsadm shows exactly these servers, and status the same.
	holds := func(ctx context.Context, want ...string) {
		t.Helper()
		slices.Sort(want)
		labtest.Must(t, lab.Until(ctx, fmt.Sprintf("the kernel has %q", want), func() error {
			var have []string
			for _, line := range destinations(t, l.A, operatorVIP) {
				have = append(have, strings.Replace(line, " masq", "", 1))
			}
			if !slices.Equal(have, want) {
				return fmt.Errorf("it has %q", have)
			}
			status, err := l.A.Status(ctx)
			if err != nil {
				return err
			}
			for _, rs := range status.VirtualServers[0].RealServers {
				if line := fmt.Sprintf("%s %d", rs.Address, rs.EffectiveWeight); rs.EffectiveWeight > 0 && !slices.Contains(have, line) {
					return fmt.Errorf("it has %q, status says %s", have, line)
				}
			}
			return nil
		}))
	}
	said := func(when string, want ...string) {
		t.Helper()
		status, err := l.A.Status(t.Context())
		labtest.Must(t, err)
		var have []string
		for _, rs := range status.VirtualServers[0].RealServers {
			if o := rs.Override; o != nil {
				have = append(have, fmt.Sprintf("%s %s %d, %s", rs.Address, o.Mode, o.Weight, rs.State))
			}
		}
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			t.Errorf("%s status shows the overrides %q, want %q", when, have, want)
		}
	}
	p := labtest.Start(t, l.A, "-c", file)
	holds(t.Context(), one+" 10", two+" 10", three+" 10")
	busy := connection(t, l, "rs3")
	usher("weight", "web", one, "77")
	usher("disable", "web", two)
	begun := time.Now()
	usher("drain", "web", three)
	holds(t.Context(), one+" 77", three+" 0")
	echo(t, busy, "while it is drained")
	holds(t.Context(), one+" 77")
	if took := time.Since(begun); took < 10*time.Second {
		t.Errorf("a server with a connection was drained for %v, want 10s", took)
	}
	overrides := []string{one + " weight 77, up", two + " disable 0, disabled", three + " drain 0, disabled"}
	said("running,", overrides...)

	labtest.Must(t, p.Kill())
	labtest.Start(t, l.A, "-c", file)
	holds(t.Context(), one+" 77")
	said("after kill -9,", overrides...)
	labtest.File(t, l.A, "usher.hcl", operatorConfig("60s", map[string]int{one: 20, two: 20, three: 20}))
	usher("reload")
	holds(t.Context(), one+" 77")
	said("after the reload,", overrides...)
	for _, rs := range []string{one, two, three} {
		usher("enable", "web", rs)
	}
	holds(t.Context(), one+" 20", two+" 20", three+" 20")
	said("enabled,")

	// The kernel says that there is no such service.
	soon, cancel := context.WithTimeout(t.Context(), engine.DefaultResync/2)
	defer cancel()
	labtest.Run(t, l.A, "ipvsadm", "-C")
	usher("weight", "web", one, "30")
	holds(soon, one+" 30", two+" 20", three+" 20")
	events, err := l.A.Usher(t.Context(), "events", "--json")
	labtest.Must(t, err)
	if strings.Count(events, "drift_repaired") != 1 {
		t.Errorf("not one event of the repair:\n%s", events)
	}
	usher("enable", "web", one)
	holds(t.Context(), one+" 20", two+" 20", three+" 20")

	// One server leaves the configuration.
	busy = connection(t, l, "rs2")
	before := operations(t, l.A)
	labtest.File(t, l.A, "usher.hcl", operatorConfig("60s", map[string]int{one: 20, three: 21}))
	usher("reload")
	holds(t.Context(), one+" 20", two+" 0", three+" 21")
	if now := operations(t, l.A); now["edit_destination"] != before["edit_destination"]+2 || now["add_destination"] != before["add_destination"] {
		t.Errorf("a reload that changes two servers did %v, before it there were %v", now, before)
	}
	if got := names(t, l.Client, netip.Addr{}, operatorVIP, 4); got["rs2"] != 0 {
		t.Errorf("new connections come to the server that leaves: %v", got)
	}
	echo(t, busy, "while its server leaves")
	busy.Close()
	holds(t.Context(), one+" 20", three+" 21") // long before the timeout
}

// connection opens one to a server.
func connection(t *testing.T, l *lab.Lab, server string) net.Conn {
	t.Helper()
	for range 2 * len(l.Real) {
		name, c, err := connect(l.Client, netip.Addr{}, operatorVIP)
		labtest.Must(t, err)
		t.Cleanup(func() { c.Close() })
		if name == server {
			return c
		}
		c.Close()
	}
	t.Fatalf("nobody is sent to %s", server)
	return nil
}

// operations reads what usher counts of its changes to the kernel's table.
func operations(t *testing.T, n *lab.Node) map[string]int {
	t.Helper()
	metrics, err := n.Control(t.Context(), "/metrics")
	labtest.Must(t, err)
	count := map[string]int{}
	for line := range strings.Lines(grep(string(metrics), "usher_ipvs_sync_operations_total{")) {
		_, rest, _ := strings.Cut(line, `op="`)
		var op string
		var v int
		if _, err := fmt.Sscanf(strings.Replace(rest, `"}`, " ", 1), "%s %d", &op, &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		count[op] = v
	}
	return count
}
