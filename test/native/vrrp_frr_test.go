package native

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// vrrpdScript starts FRR's zebra and vrrpd in the node's namespace, on a /run and a
// /var/tmp of their own, from the folder $0, for IPv4 or IPv6 as $1 says. FRR wants the
// macvlan made for it, and holds it down but while it is active. Its IPv6 adverts come
// from the link-local address there that it learned last.
const vrrpdScript = `set -e
ip link del vrrp$1-2-1 2> /dev/null || : # as another start of the machine would
ip link add vrrp$1-2-1 link eth0 type macvlan mode bridge
echo 1 > /proc/sys/net/ipv6/conf/vrrp$1-2-1/addr_gen_mode
case $1 in
4)
	ip link set dev vrrp4-2-1 address 00:00:5e:00:01:33
	ip addr add 192.168.60.200/32 dev vrrp4-2-1 ;;
6)
	ip link set dev vrrp6-2-1 address 00:00:5e:00:02:33
	ip addr add fe80::200/64 dev vrrp6-2-1 nodad
	ip addr add fe80::3/64 dev vrrp6-2-1 nodad
	ip addr add fd00:60::200/64 dev vrrp6-2-1 nodad ;;
esac
ip link set dev vrrp$1-2-1 protodown on
ip link set dev vrrp$1-2-1 up
mount -t tmpfs frr /run
mount -t tmpfs frr /var/tmp
mkdir /run/frr
cp "$0/vrrpd.conf" "$0/zebra.conf" /run/frr
chown -R frr:frr /run/frr
/usr/lib/frr/zebra -A 127.0.0.1 -f /run/frr/zebra.conf --log stdout &
until [ -S /run/frr/zserv.api ]; do :; done
exec /usr/lib/frr/vrrpd -A 127.0.0.1 -f /run/frr/vrrpd.conf --log stdout --log-level debug
`

// family is one of the two, as FRR and usher are told of it.
type family struct {
	name, number string
	source       string // of FRR's adverts
	frr          string // within FRR's interface
	usher        dialect
	// unheard is how many adverts FRR loses where it takes over: by IPv6 the first one finds
	// no source address on the macvlan, which has just come up, so that usher hears of it an
	// interval later.
	unheard int
}

var families = []family{
	{"IPv4", "4", lab.AddrB.String(), " vrrp 51 ip 192.168.60.200\n", dialects[2], 0},
	{"IPv6", "6", "fe80::3", " vrrp 51 ipv6 fe80::200\n vrrp 51 ipv6 fd00:60::200\n", dialects[3], 1},
}

// vrrpd runs FRR's vrrpd with a priority on a node.
func (f family) vrrpd(t *testing.T, n *lab.Node, priority int) *lab.Process {
	t.Helper()
	labtest.File(t, n, "zebra.conf", "hostname frr\n")
	labtest.File(t, n, "vrrpd.conf", fmt.Sprintf(`interface eth0
 vrrp 51 version 3
 vrrp 51 priority %d
 vrrp 51 advertisement-interval 1000
%s`, priority, f.frr))
	p, err := n.Start("frr", "unshare", "-m", "sh", "-c", vrrpdScript, n.Dir, f.number)
	labtest.Must(t, err)
	return p
}

// says waits until FRR has logged a line.
func says(t *testing.T, p *lab.Process, line string, times int) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("FRR logs %q %d times", line, times), func() error {
		b, err := os.ReadFile(p.Log)
		if err == nil && strings.Count(string(b), line) < times {
			err = fmt.Errorf("it does not")
		}
		return err
	}))
}

// watch looks at both nodes every 10 ms and says how long both had the address, FRR on a
// macvlan that is not held down.
func (f family) watch(t *testing.T, l *lab.Lab) (stop func() time.Duration) {
	vip := cmp.Or(f.usher.vip, lab.VIP.String())
	return sampled(t, func() (both bool, err error) {
		held, err := l.A.Holds(vip)
		if err != nil || !held {
			return false, err
		}
		return both, l.B.Do(func() error {
			i, err := net.InterfaceByName("vrrp" + f.number + "-2-1")
			both = err == nil && i.Flags&net.FlagRunning != 0
			return nil // where it is not there, nobody has the address
		})
	})
}

// TestInteropFRR: FRR's vrrpd, version 3, is elected over usher, which takes over when it
// is killed; started again, it takes back.
func TestInteropFRR(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			l := suite.New(t, "")
			f.usher.runUsher(t, l, l.A, 100)
			labtest.Await(t, l.A, "web", "active")
			elected := func() (peer *lab.Process, stop func() time.Duration) {
				peer, stop = f.vrrpd(t, l.B, 150), f.watch(t, l)
				labtest.Await(t, l.A, "web", "backup")
				s, err := l.A.Status(t.Context())
				labtest.Must(t, err)
				if got := s.Instances[0].ActiveRouter; got != f.source {
					t.Errorf("active router is %q, want %s", got, f.source)
				}
				f.usher.holds(t, l.A, false)
				return peer, stop
			}
			peer, twice := elected()
			noLonger(t, 1+f.unheard, twice)
			within(t, down, "usher's takeover after FRR was killed", func() error {
				err := syscall.Kill(-peer.PID(), syscall.SIGKILL)
				labtest.Await(t, l.A, "web", "active")
				return err
			})
			f.usher.holds(t, l.A, true)
			_, twice = elected()
			noLonger(t, 1+f.unheard, twice)
		})
	}
}

// TestInteropFRR_GivesWay: usher is elected over FRR, which takes over when it stops and
// when it is killed; each time usher takes back.
func TestInteropFRR_GivesWay(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			l := suite.New(t, "")
			peer := f.vrrpd(t, l.B, 100)
			says(t, peer, "Backup -> Master", 1)
			twice := f.watch(t, l)
			elected := func(times int) *lab.Process {
				a := f.usher.runUsher(t, l, l.A, 150)
				labtest.Await(t, l.A, "web", "active")
				says(t, peer, "Master -> Backup", times)
				f.usher.holds(t, l.A, true)
				return a
			}
			a := elected(1)
			within(t, skew, "FRR's takeover after usher's stop", func() error {
				err := a.Stop()
				says(t, peer, "Backup -> Master", 2)
				return err
			})
			a = elected(2)
			within(t, down, "FRR's takeover after usher was killed", func() error {
				err := errors.Join(syscall.Kill(child(t, a), syscall.SIGKILL), a.Kill())
				says(t, peer, "Backup -> Master", 3)
				return err
			})
			elected(3)
			noLonger(t, 1+f.unheard, twice)
			if log := strings.ToLower(peer.Tail(1000)); strings.Contains(log, "checksum") || strings.Contains(log, "malformed") {
				t.Errorf("FRR complains:\n%s", log)
			}
		})
	}
}
