package ipvs

import (
	"fmt"
	"os"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// tracking has two instances that track a virtual server, one that cannot do without it
// and one that had better be elsewhere. Its only server is up while a file is there.
const tracking = `
vrrp_instance "fault" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = %[1]d
  virtual_addresses = ["192.168.60.200/32"]
  track_virtual_server "web" {}
}

vrrp_instance "weight" {
  interface         = "eth0"
  virtual_router_id = 52
  priority          = %[1]d
  virtual_addresses = ["192.168.60.201/32"]
  track_virtual_server "web" { weight = -60 }
}

virtual_server "web" {
  address        = "192.168.60.200:9376"
  scheduler      = "rr"
  forward_method = "nat"
  real_server "10.1.2.3:80" {
    health_check "file" {
      path     = %[2]q
      interval = "100ms"
      fall     = 1
    }
  }
}
`

// TestTrackVirtualServer: a director whose virtual server has lost its quorum leaves the
// address to its peer, and takes it back with the quorum.
func TestTrackVirtualServer(t *testing.T) {
	l := suite.New(t, "")
	up := labtest.File(t, l.A, "up", "")
	start := func(n *lab.Node, priority int, up string) {
		labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fmt.Sprintf(tracking, priority, up)))
	}
	await := func(n *lab.Node, fault, weight string, priority int) {
		t.Helper()
		labtest.Await(t, n, "fault", fault)
		labtest.Await(t, n, "weight", weight)
		s, err := n.Status(t.Context())
		labtest.Must(t, err)
		if got := s.Instances[1].EffectivePriority; got != priority {
			t.Errorf("%s has priority %d, want %d", n.Name, got, priority)
		}
	}
	start(l.A, 150, up)
	start(l.B, 100, labtest.File(t, l.B, "up", ""))
	await(l.A, "active", "active", 150)
	await(l.B, "backup", "backup", 100)
	labtest.Must(t, os.Remove(up))
	await(l.A, "fault", "backup", 90)
	await(l.B, "active", "active", 100)
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
	labtest.File(t, l.A, "up", "")
	await(l.A, "active", "active", 150)
	await(l.B, "backup", "backup", 100)
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
}
