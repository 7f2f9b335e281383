package ipvs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

const refused = `
global {
  http = ""
}
virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  health_check "http" {
    interval = "1s"
    timeout  = "5s"
    fall     = 2
  }
  real_server "192.168.60.11:80" {}
}
`

// TestRefusedHere: probes that this machine's own firewall refuses fail, and cost next to
// nothing. Linux before 6.9 leaves the refusal in the error queue of the socket, asked
// for or not, and has epoll tell of it until the connect is over; and any Linux sends
// the SYN once more a second later.
func TestRefusedHere(t *testing.T) {
	l := suite.New(t, "dr")
	labtest.Run(t, l.A, "nft", `add table inet refuse; add chain inet refuse out { type filter hook output priority 0; };
		add counter inet refuse asked;
		add rule inet refuse out ip daddr 192.168.60.11 tcp flags syn counter name asked reject with icmp type port-unreachable`)
	check, err := l.A.StartUsher("check", "--json", "-c", labtest.File(t, l.A, "refused.hcl", refused))
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "the server is down", func() error {
		if said := check.Tail(100); !strings.Contains(said, "connection refused: nothing listens on 192.168.60.11:80") {
			return fmt.Errorf("usher check says %s", said)
		}
		return nil
	}))
	proc, err := procfs.NewProc(check.PID())
	labtest.Must(t, err)
	used := func() time.Duration {
		stat, err := proc.Stat()
		labtest.Must(t, err)
		return time.Duration(stat.CPUTime() * float64(time.Second))
	}
	asked := func() (packets int) {
		shown := labtest.Run(t, l.A, "nft", "list", "counter", "inet", "refuse", "asked")
		_, rest, _ := strings.Cut(shown, "packets ")
		if _, err := fmt.Sscan(rest, &packets); err != nil {
			t.Fatalf("no packets in %s: %v", shown, err)
		}
		return packets
	}
	before, first, begun := used(), asked(), time.Now()
	labtest.Must(t, lab.Until(t.Context(), "ten more SYNs", func() error {
		if now := asked(); now < first+10 {
			return fmt.Errorf("%d so far", now-first)
		}
		return nil
	}))
	if cost, took := used()-before, time.Since(begun); cost > took/4 {
		t.Errorf("ten SYNs that were refused took %s of processor time in %s", cost, took)
	}
}
