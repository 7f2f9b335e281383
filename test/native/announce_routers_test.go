package native

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// router is one of other people's, on a node, with what it installs into its kernel.
type bgpRouter struct {
	t    *testing.T
	node *lab.Node
	show func(command string) (string, error)

	mu     sync.Mutex
	routes []netlink.RouteUpdate
	times  []time.Time
}

// FRR 8.4 has a session of several hops with a neighbour that has ttl-security, and BFD on
// another port with it: they are on two neighbours here.
const bgpdConf = `
hostname frr
log stdout
router bgp 65000
 bgp router-id 192.168.60.3
 no bgp ebgp-requires-policy
 neighbor 192.168.60.2 remote-as 65001
 neighbor 192.168.60.2 timers 3 9
 neighbor 192.168.60.2 timers connect 1
 neighbor 192.168.60.2 password of-frr
 neighbor 192.168.60.2 bfd
 neighbor 192.168.60.2 bfd profile fast
 neighbor fd00:60::2 remote-as 65001
 neighbor fd00:60::2 timers 3 9
 neighbor fd00:60::2 ttl-security hops 1
 neighbor fd00:60::2 timers connect 1
 address-family ipv4 unicast
  network 203.0.113.0/24
  no neighbor fd00:60::2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 192.168.60.2 activate
  neighbor fd00:60::2 activate
 exit-address-family
`

const bgpBFDConf = `
bfd
 profile fast
  detect-multiplier 3
  receive-interval 200
  transmit-interval 200
 exit
exit
`

// frrRouter runs FRR's zebra, bfdd and bgpd on a node.
func frrRouter(t *testing.T, n *lab.Node) *bgpRouter {
	t.Helper()
	dir := openDir(t)
	out, err := exec.Command("chown", "frr:frr", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	r := &bgpRouter{t: t, node: n, show: func(command string) (string, error) {
		return n.Output(t.Context(), "vtysh", "--vty_socket", dir, "-c", command)
	}}
	r.watch()
	for _, d := range []struct {
		name, conf string
		args       []string
	}{
		{"zebra", "hostname zebra\n", nil},
		{"bfdd", bgpBFDConf, []string{"--bfdctl", dir + "/bfdd.sock"}},
		{"bgpd", bgpdConf, []string{"-A", "127.0.0.1"}},
	} {
		conf := filepath.Join(dir, d.name+".conf")
		labtest.Must(t, writeAs("frr", conf, d.conf))
		args := append([]string{"unshare", "-m", "sh", "-c", frr, d.name, "-f", conf, "-i", filepath.Join(dir, d.name+".pid"),
			"-z", dir + "/zebra.sock", "--vty_socket", dir, "-u", "frr", "-g", "frr"}, d.args...)
		_, err := n.Start(d.name, args...)
		labtest.Must(t, err)
		labtest.Must(t, lab.Until(t.Context(), d.name+"'s socket", func() error {
			return exec.Command("test", "-S", filepath.Join(dir, d.name+".vty")).Run()
		}))
	}
	return r
}

const birdConf = `
log stderr all;
router id 192.168.60.4;
protocol device {}
protocol kernel { ipv4 { export all; }; }
protocol kernel { ipv6 { export all; }; }
protocol bfd { interface "eth0" { interval 200 ms; multiplier 3; }; }
template bgp director {
	local as 65000;
	hold time 9;
	connect delay time 1;
	error wait time 1, 1;
}
protocol bgp four from director {
	neighbor 192.168.60.2 as 65001;
	password "of bird";
	ttl security on;
	ipv4 { import all; export none; };
}
protocol bgp six from director {
	neighbor fd00:60::2 as 65001;
	bfd on;
	ipv6 { import all; export none; };
}
`

// birdRouter runs BIRD on a node.
func birdRouter(t *testing.T, n *lab.Node) *bgpRouter {
	t.Helper()
	socket := filepath.Join(openDir(t), "bird.ctl")
	r := &bgpRouter{t: t, node: n, show: func(command string) (string, error) {
		return n.Output(t.Context(), "birdc", "-s", socket, command)
	}}
	r.watch()
	_, err := n.Start("bird", "bird", "-f", "-c", labtest.File(t, n, "bird.conf", birdConf), "-s", socket)
	labtest.Must(t, err)
	return r
}

// watch notes what changes in the routing table of the router's kernel.
func (r *bgpRouter) watch() {
	r.t.Helper()
	updates, done := make(chan netlink.RouteUpdate, 64), make(chan struct{})
	labtest.Must(r.t, r.node.Do(func() error { return netlink.RouteSubscribe(updates, done) }))
	r.t.Cleanup(func() { close(done) })
	go func() {
		for u := range updates {
			r.mu.Lock()
			r.routes, r.times = append(r.routes, u), append(r.times, time.Now())
			r.mu.Unlock()
		}
	}()
}

// last says whether the table has a prefix, and since when.
func (r *bgpRouter) last(prefix string) (there bool, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, u := range r.routes {
		if u.Dst != nil && u.Dst.String() == prefix {
			there, since = u.Type == unix.RTM_NEWROUTE, r.times[i]
		}
	}
	return there, since
}

// kept says whether the table had a prefix all the time since.
func (r *bgpRouter) kept(prefix string, since time.Time) bool {
	there, last := r.last(prefix)
	return there && last.Before(since)
}

// table awaits that the table has prefixes, or has them no more, and says after how long
// the last one changed.
func (r *bgpRouter) table(want bool, from time.Time, prefixes ...string) (after time.Duration) {
	r.t.Helper()
	for _, prefix := range prefixes {
		labtest.Must(r.t, lab.Until(r.t.Context(), fmt.Sprintf("%s in the table of %s: %t", prefix, r.node.Name, want), func() error {
			there, since := r.last(prefix)
			if there != want {
				return fmt.Errorf("%t since %s", there, since)
			}
			after = max(after, since.Sub(from))
			return nil
		}))
	}
	return after.Round(100 * time.Microsecond)
}

// shows awaits that the router says all of these words.
func (r *bgpRouter) shows(command string, words ...string) {
	r.t.Helper()
	labtest.Must(r.t, lab.Until(r.t.Context(), fmt.Sprintf("%s: %s shows %q", r.node.Name, command, words), func() error {
		out, err := r.show(command)
		for _, w := range words {
			if err == nil && !strings.Contains(out, w) {
				err = fmt.Errorf("%q is not in %s", w, out)
			}
		}
		return err
	}))
}
