package native

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// vrrpdScript starts FRR's zebra and vrrpd in the node's namespace, on a /run and a
// /var/tmp of their own, from the folder $0, for IPv4 or IPv6 as $1 says. FRR wants the
// macvlan made for it. Its IPv6 adverts come from the link-local address there that it
// learned last.
const vrrpdScript = `set -e
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
}

var families = []family{
	{"IPv4", "4", lab.AddrB.String(), " vrrp 51 ip 192.168.60.200\n", dialects[2]},
	{"IPv6", "6", "fe80::3", " vrrp 51 ipv6 fe80::200\n vrrp 51 ipv6 fd00:60::200\n", dialects[3]},
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

// TestInteropFRR: FRR's vrrpd, version 3, is elected over usher, which takes over when it
// is killed.
func TestInteropFRR(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			l := suite.New(t, "")
			f.usher.runUsher(t, l, l.A, 100)
			labtest.Await(t, l.A, "web", "active")
			peer := f.vrrpd(t, l.B, 150)
			labtest.Await(t, l.A, "web", "backup")
			s, err := l.A.Status(t.Context())
			labtest.Must(t, err)
			if got := s.Instances[0].ActiveRouter; got != f.source {
				t.Errorf("active router is %q, want %s", got, f.source)
			}
			f.usher.holds(t, l.A, false)
			within(t, down, "usher's takeover after FRR was killed", func() error {
				err := syscall.Kill(peer.PID(), syscall.SIGKILL)
				labtest.Await(t, l.A, "web", "active")
				return err
			})
			f.usher.holds(t, l.A, true)
		})
	}
}

// TestInteropFRR_GivesWay: usher is elected over FRR, which takes over when it stops.
func TestInteropFRR_GivesWay(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			l := suite.New(t, "")
			peer := f.vrrpd(t, l.B, 100)
			says(t, peer, "Backup -> Master", 1)
			a := f.usher.runUsher(t, l, l.A, 150)
			labtest.Await(t, l.A, "web", "active")
			says(t, peer, "Master -> Backup", 1)
			within(t, skew, "FRR's takeover after usher's stop", func() error {
				err := a.Stop()
				says(t, peer, "Backup -> Master", 2)
				return err
			})
			if log := strings.ToLower(peer.Tail(1000)); strings.Contains(log, "checksum") || strings.Contains(log, "malformed") {
				t.Errorf("FRR complains:\n%s", log)
			}
		})
	}
}
