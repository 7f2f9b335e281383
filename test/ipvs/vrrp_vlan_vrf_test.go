package ipvs

import (
	"fmt"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// TestVLANAndVRF: two routers elect one and fail over on a VLAN interface that is bound
// to a VRF. Both need a kernel that many a container host has not.
func TestVLANAndVRF(t *testing.T) {
	l := suite.New(t, "")
	for i, n := range l.Directors() {
		for _, args := range [][]string{
			{"link", "add", "eth0.10", "link", "eth0", "type", "vlan", "id", "10"},
			{"link", "add", "vrf0", "type", "vrf", "table", "10"},
			{"link", "set", "vrf0", "up"},
			{"link", "set", "eth0.10", "master", "vrf0"},
			{"link", "set", "eth0.10", "up"},
			{"addr", "add", fmt.Sprintf("192.0.2.%d/24", 2+i), "dev", "eth0.10"},
		} {
			labtest.Must(t, n.IP(t.Context(), args...))
		}
	}
	run := func(n *lab.Node, priority int) *lab.Process {
		return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fmt.Sprintf(`
vrrp_instance "vlan" {
  interface         = "eth0.10"
  virtual_router_id = 51
  priority          = %d
  virtual_addresses = ["192.0.2.200/32", "fe80::200/64"]
}
`, priority)))
	}
	a := run(l.A, 150)
	run(l.B, 100)
	labtest.Await(t, l.A, "vlan", "active")
	labtest.Await(t, l.B, "vlan", "backup")
	// Its first advertisement may still be under way.
	labtest.Must(t, lab.Until(t.Context(), "b has heard of a", func() error {
		s, err := l.B.Status(t.Context())
		if err == nil && s.Instances[0].ActiveRouter != "192.0.2.2" {
			err = fmt.Errorf("the active router is %q", s.Instances[0].ActiveRouter)
		}
		return err
	}))
	labtest.Must(t, a.Stop())
	labtest.Await(t, l.B, "vlan", "active")
	if held, err := l.B.Holds("192.0.2.200"); err != nil || !held {
		t.Errorf("b holds the address: %t, %v", held, err)
	}
	run(l.A, 150)
	labtest.Await(t, l.A, "vlan", "active")
	labtest.Await(t, l.B, "vlan", "backup")
}
