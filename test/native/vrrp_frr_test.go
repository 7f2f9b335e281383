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
// /var/tmp of their own, from the folder $0. FRR wants the macvlan made for it.
const vrrpdScript = `set -e
ip link add vrrp4-2-1 link eth0 type macvlan mode bridge
ip link set dev vrrp4-2-1 address 00:00:5e:00:01:33
ip addr add 192.168.60.200/32 dev vrrp4-2-1
ip link set dev vrrp4-2-1 up
mount -t tmpfs frr /run
mount -t tmpfs frr /var/tmp
mkdir /run/frr
cp "$0/vrrpd.conf" "$0/zebra.conf" /run/frr
chown -R frr:frr /run/frr
/usr/lib/frr/zebra -A 127.0.0.1 -f /run/frr/zebra.conf --log stdout &
until [ -S /run/frr/zserv.api ]; do :; done
exec /usr/lib/frr/vrrpd -A 127.0.0.1 -f /run/frr/vrrpd.conf --log stdout --log-level debug
`

// vrrpd runs FRR's vrrpd with a priority on a node.
func vrrpd(t *testing.T, n *lab.Node, priority int) *lab.Process {
	t.Helper()
	labtest.File(t, n, "zebra.conf", "hostname frr\n")
	labtest.File(t, n, "vrrpd.conf", fmt.Sprintf(`interface eth0
 vrrp 51 version 3
 vrrp 51 priority %d
 vrrp 51 advertisement-interval 1000
 vrrp 51 ip 192.168.60.200
`, priority))
	p, err := n.Start("frr", "unshare", "-m", "sh", "-c", vrrpdScript, n.Dir)
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

// TestInteropFRR: FRR's vrrpd, version 3, in both roles.
func TestInteropFRR(t *testing.T) {
	l := suite.New(t, "")
	run(t, l.A, 100)
	labtest.Await(t, l.A, "web", "active")
	peer := vrrpd(t, l.B, 150)
	labtest.Await(t, l.A, "web", "backup")
	s, err := l.A.Status(t.Context())
	labtest.Must(t, err)
	if got := s.Instances[0].ActiveRouter; got != lab.AddrB.String() {
		t.Errorf("active router is %q, want %s", got, lab.AddrB)
	}
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	within(t, down, "usher's takeover after FRR was killed", func() error {
		err := syscall.Kill(peer.PID(), syscall.SIGKILL)
		labtest.Await(t, l.A, "web", "active")
		return err
	})
}

func TestInteropFRR_GivesWay(t *testing.T) {
	l := suite.New(t, "")
	peer := vrrpd(t, l.B, 100)
	says(t, peer, "Backup -> Master", 1)
	a := run(t, l.A, 150)
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
}
