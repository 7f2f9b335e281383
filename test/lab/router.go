package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouterPrograms are those that the router of a fabric can run.
var RouterPrograms = []string{"bird", "frr"}

// Route has the router run one of RouterPrograms: it takes paths from every director of the
// fabric by BGP, whose autonomous system is 65001, and spreads flows over them. It hears of
// each by BFD every interval, and holds it for dead after three.
func (l *Lab) Route(ctx context.Context, program string, interval time.Duration) error {
	if program == "frr" {
		return l.routeFRR(ctx, interval)
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, birdConf, interval.Milliseconds())
	for i := range l.Fabric {
		fmt.Fprintf(&conf, birdPeer, 2+i)
	}
	file, err := l.Router.WriteFile("bird.conf", conf.String())
	if err != nil {
		return err
	}
	_, err = l.Router.Start("bird", "bird", "-f", "-c", file, "-s", filepath.Join(l.Router.Dir, "bird.ctl"))
	return err
}

const birdConf = `
log stderr all;
router id 192.168.60.254;
protocol device {}
protocol kernel { merge paths on; ipv4 { export where source = RTS_BGP; }; }
protocol kernel { merge paths on; ipv6 { export where source = RTS_BGP; }; }
protocol bfd { interface "eth0" { interval %d ms; multiplier 3; }; }
filter vips {
	if (65535, 0) ~ bgp_community then bgp_local_pref = 0; # RFC 8326
	accept;
}
template bgp director {
	local as 65000;
	hold time 9;
	connect delay time 1;
	error wait time 1, 5;
	bfd on;
}
`

const birdPeer = `
protocol bgp four%[1]d from director { neighbor 192.168.60.%[1]d as 65001; ipv4 { import filter vips; export none; }; }
protocol bgp six%[1]d from director { neighbor fd00:60::%[1]d as 65001; ipv6 { import filter vips; export none; }; }
`

const frrBGP = `
hostname router
log stdout
router bgp 65000
 bgp router-id 192.168.60.254
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor directors peer-group
 neighbor directors remote-as 65001
 neighbor directors timers 3 9
 neighbor directors timers connect 1
 neighbor directors bfd profile directors
%s address-family ipv4 unicast
  maximum-paths 8
  neighbor directors route-map vips in
  neighbor directors route-map nothing out
%s exit-address-family
 address-family ipv6 unicast
  maximum-paths 8
  neighbor directors route-map vips in
  neighbor directors route-map nothing out
%s exit-address-family
!
bgp community-list standard graceful-shutdown permit graceful-shutdown
route-map vips permit 5
 match community graceful-shutdown
 set local-preference 0
route-map vips permit 10
route-map nothing deny 10
`

const frrBFD = `
bfd
 profile directors
  transmit-interval %[1]d
  receive-interval %[1]d
  detect-multiplier 3
 exit
exit
`

// frrScript runs one of FRR's programs on a /var/tmp of its own, where it leaves its log.
const frrScript = `mount -t tmpfs frr /var/tmp && exec "/usr/lib/frr/$0" "$@"`

func (l *Lab) routeFRR(ctx context.Context, interval time.Duration) error {
	dir := filepath.Join(l.Router.Dir, "frr")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var peers, four, six strings.Builder
	for i := range l.Fabric {
		fmt.Fprintf(&peers, " neighbor 192.168.60.%[1]d peer-group directors\n neighbor fd00:60::%[1]d peer-group directors\n", 2+i)
		fmt.Fprintf(&four, "  neighbor 192.168.60.%d activate\n", 2+i)
		fmt.Fprintf(&six, "  neighbor fd00:60::%d activate\n", 2+i)
	}
	for _, d := range []struct {
		name, conf string
		args       []string
	}{
		{"zebra", "hostname zebra\n", nil},
		{"bfdd", fmt.Sprintf(frrBFD, interval.Milliseconds()), []string{"--bfdctl", dir + "/bfdd.sock"}},
		{"bgpd", fmt.Sprintf(frrBGP, &peers, &four, &six), []string{"-A", "127.0.0.1"}},
	} {
		conf := filepath.Join(dir, d.name+".conf")
		if err := os.WriteFile(conf, []byte(d.conf), 0o644); err != nil {
			return err
		}
		// FRR gives up root, and makes its sockets in the folder.
		if out, err := exec.CommandContext(ctx, "chown", "-R", "frr:frr", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("give FRR its folder: %w: %s", err, out)
		}
		args := append([]string{"unshare", "-m", "sh", "-c", frrScript, d.name, "-f", conf, "-i", filepath.Join(dir, d.name+".pid"),
			"-z", dir + "/zebra.sock", "--vty_socket", dir, "-u", "frr", "-g", "frr"}, d.args...)
		if _, err := l.Router.Start(d.name, args...); err != nil {
			return err
		}
		err := Until(ctx, d.name+" of FRR runs", func() error {
			_, err := os.Stat(filepath.Join(dir, d.name+".vty"))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Spread notes over how many directors a router's kernel spreads what it has for a prefix.
type Spread struct {
	done   chan struct{}
	prefix string
	mu     sync.Mutex
	paths  []int // at each change
	times  []time.Time
}

// Spread watches the node's routing table until Stop.
func (n *Node) Spread(to netip.Addr) (*Spread, error) {
	s := &Spread{done: make(chan struct{}), prefix: netip.PrefixFrom(to, to.BitLen()).String()}
	updates := make(chan netlink.RouteUpdate, 256)
	if err := n.Do(func() error { return netlink.RouteSubscribe(updates, s.done) }); err != nil {
		return nil, err
	}
	go func() {
		for u := range updates {
			if u.Dst == nil || u.Dst.String() != s.prefix {
				continue
			}
			paths := max(1, len(u.MultiPath))
			if u.Type == unix.RTM_DELROUTE {
				paths = 0
			}
			s.mu.Lock()
			s.paths, s.times = append(s.paths, paths), append(s.times, time.Now())
			s.mu.Unlock()
		}
	}()
	return s, nil
}

// Stop ends the watch.
func (s *Spread) Stop() { close(s.done) }

// Await awaits that flows are spread over so many directors, and says since when they are.
func (s *Spread) Await(ctx context.Context, want int) (since time.Time, err error) {
	err = Until(ctx, fmt.Sprintf("%s is spread over %d directors", s.prefix, want), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		last := len(s.paths) - 1
		if last < 0 {
			return errors.New("it never was there")
		}
		if s.paths[last] != want {
			return fmt.Errorf("it was spread over %v", s.paths)
		}
		for last > 0 && s.paths[last-1] == want {
			last--
		}
		since = s.times[last]
		return nil
	})
	return since, err
}
