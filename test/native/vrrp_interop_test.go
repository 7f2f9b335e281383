package native

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// dialect is one way to speak VRRP, as usher and as keepalived are told to.
type dialect struct {
	name       string
	usher      string // within vrrp_instance
	keepalived string // within vrrp_instance
	version    int    // keepalived's
	vip        string // the address that is looked for
}

const vip4 = "  virtual_addresses = [\"192.168.60.200/32\"]\n"

// dialects are all that both programs know. SELF and PEER stand for the routers' own
// addresses.
var dialects = []dialect{
	{"version 2", "version = 2\n" + vip4, "virtual_ipaddress { \n192.168.60.200/32\n }", 2, ""},
	{
		"version 2 PASS",
		"version = 2\n" + vip4 + "authentication {\n type = \"pass\"\n password = \"secret\"\n}\n",
		"authentication {\n auth_type PASS\n auth_pass secret\n}\nvirtual_ipaddress {\n 192.168.60.200/32\n }", 2, "",
	},
	{"version 3 IPv4", vip4, "virtual_ipaddress {\n 192.168.60.200/32\n }", 3, ""},
	{
		"version 3 IPv6",
		"virtual_addresses = [\"fe80::200/64\", \"fd00:60::200/64\"]\n",
		"virtual_ipaddress {\n fe80::200/64\n fd00:60::200/64\n }", 3, "fd00:60::200",
	},
	{
		"unicast",
		vip4 + "unicast {\n peers = [\"PEER\"]\n}\n",
		"unicast_src_ip SELF\nunicast_peer {\n PEER\n}\nvirtual_ipaddress {\n 192.168.60.200/32\n }", 3, "",
	},
	{"virtual MAC", vip4 + "virtual_mac = true\n", "use_vmac\nvirtual_ipaddress {\n 192.168.60.200/32\n }", 3, ""},
}

// fill puts the addresses of a node in.
func fill(l *lab.Lab, n *lab.Node, text string) string {
	self, peer := lab.AddrA, lab.AddrB
	if n == l.B {
		self, peer = peer, self
	}
	return strings.NewReplacer("SELF", self.String(), "PEER", peer.String()).Replace(text)
}

func (d dialect) runUsher(t *testing.T, l *lab.Lab, n *lab.Node, priority int) *lab.Process {
	t.Helper()
	text := fmt.Sprintf("vrrp_instance \"web\" {\n  interface = \"eth0\"\n  virtual_router_id = 51\n  priority = %d\n%s}\n", priority, d.usher)
	return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fill(l, n, text)))
}

func (d dialect) runKeepalived(t *testing.T, l *lab.Lab, n *lab.Node, priority int) *lab.Process {
	t.Helper()
	text := fmt.Sprintf("global_defs {\n router_id peer\n vrrp_version %d\n}\nvrrp_instance web {\n state BACKUP\n interface eth0\n virtual_router_id 51\n priority %d\n advert_int 1\n%s\n}\n",
		d.version, priority, d.keepalived)
	// Where nobody reaps what was killed, its number looks alive.
	for _, pid := range []string{"keepalived.pid", "vrrp.pid"} {
		if err := os.Remove(filepath.Join(n.Dir, pid)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	p, err := n.KeepalivedFile("-P", "-f", labtest.File(t, n, "keepalived.conf", fill(l, n, text)))
	labtest.Must(t, err)
	return p
}

// holds waits until a node has the dialect's address, or has it not.
func (d dialect) holds(t *testing.T, n *lab.Node, want bool) {
	t.Helper()
	vip := cmp.Or(d.vip, lab.VIP.String())
	labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("%s has %s: %t", n.Name, vip, want), func() error {
		if have, err := n.Holds(vip); err != nil || have != want {
			return fmt.Errorf("it is %t, %w", have, errors.Join(err))
		}
		return nil
	}))
}

// watch looks at both nodes every 10 ms and says how long both had the address.
func (d dialect) watch(t *testing.T, l *lab.Lab) (stop func() time.Duration) {
	vip := cmp.Or(d.vip, lab.VIP.String())
	return sampled(t, func() (both bool, err error) {
		a, errA := l.A.Holds(vip)
		b, errB := l.B.Holds(vip)
		return a && b, errors.Join(errA, errB)
	})
}

// sampled looks every 10 ms and says for how long what it looks for was so.
func sampled(t *testing.T, look func() (bool, error)) (stop func() time.Duration) {
	total := time.Duration(0)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			is, err := look()
			if err != nil {
				t.Error(err)
			}
			now := time.Now()
			if is {
				total += now.Sub(last)
			}
			last = now
		}
	}()
	return func() time.Duration {
		close(quit)
		<-done
		return total
	}
}

// noLonger ends a watch and checks what it says: no address on both for longer than some
// intervals, which are of a second in all dialects, and the lateness of the machine.
func noLonger(t *testing.T, intervals int, stop func() time.Duration) {
	t.Helper()
	if both := stop(); both > time.Duration(intervals)*time.Second+lateness {
		t.Errorf("the address was on both for %v, more than %d intervals of 1 s", both, intervals)
	}
}

// TestInteropUsherFirst: usher has the higher priority: it is elected, keepalived takes
// over when usher is stopped and when it is killed, usher takes back.
func TestInteropUsherFirst(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			l := suite.New(t, "")
			peer := d.runKeepalived(t, l, l.B, 100)
			d.holds(t, l.B, true)
			a := d.runUsher(t, l, l.A, 150)
			twice := d.watch(t, l)
			d.holds(t, l.A, true)
			d.holds(t, l.B, false)
			within(t, skew, "keepalived's takeover after usher's stop", func() error {
				err := a.Signal(syscall.SIGTERM)
				d.holds(t, l.B, true)
				return err
			})
			labtest.Must(t, a.Stop())
			a = d.runUsher(t, l, l.A, 150)
			d.holds(t, l.A, true)
			d.holds(t, l.B, false)
			within(t, down, "keepalived's takeover after usher was killed", func() error {
				err := errors.Join(syscall.Kill(child(t, a), syscall.SIGKILL), a.Kill())
				d.holds(t, l.B, true)
				return err
			})
			d.holds(t, l.A, false)
			d.runUsher(t, l, l.A, 150)
			d.holds(t, l.A, true)
			d.holds(t, l.B, false)
			noLonger(t, 1, twice)
			noComplaint(t, peer)
		})
	}
}

// TestInteropKeepalivedFirst: keepalived has the higher priority; usher takes over from it
// and gives way to it.
func TestInteropKeepalivedFirst(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			l := suite.New(t, "")
			d.runUsher(t, l, l.B, 100)
			labtest.Await(t, l.B, "web", "active")
			d.holds(t, l.B, true)
			twice := d.watch(t, l)
			peer := d.runKeepalived(t, l, l.A, 150)
			d.holds(t, l.A, true)
			d.holds(t, l.B, false)
			labtest.Await(t, l.B, "web", "backup")
			within(t, skew, "usher's takeover after keepalived's stop", func() error {
				err := peer.Stop()
				d.holds(t, l.B, true)
				return err
			})
			peer = d.runKeepalived(t, l, l.A, 150)
			d.holds(t, l.A, true)
			d.holds(t, l.B, false)
			noLonger(t, 1, twice)
			// Killed, keepalived leaves its address behind: from here on that is no
			// fault of usher's.
			within(t, down, "usher's takeover after keepalived was killed", func() error {
				err := syscall.Kill(-peer.PID(), syscall.SIGKILL)
				d.holds(t, l.B, true)
				return err
			})
			labtest.Await(t, l.B, "web", "active")
			noComplaint(t, peer)
		})
	}
}
