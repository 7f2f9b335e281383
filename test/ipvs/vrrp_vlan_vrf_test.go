package ipvs

import (
	"fmt"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// vlan is a router on a VLAN interface that is bound to a VRF, and one that names the
// VRF alone.
const vlan = `
vrrp_instance "vlan" {
  interface         = "eth0.10"
  virtual_router_id = 51
  priority          = %[1]d
  virtual_addresses = ["192.0.2.200/32", "fe80::200/64"]
}

vrrp_instance "vrf" {
  vrf               = "vrf0"
  virtual_router_id = 52
  priority          = %[1]d
  virtual_address "192.0.2.201/32" { interface = "eth0.10" }
  virtual_address "fe80::201/64" { interface = "eth0.10" }
  virtual_address "2001:db8::201/64" { interface = "eth0.10" }
  source6           = "2001:db8::%[2]d"
  unicast {
    source = "192.0.2.%[2]d"
    peers  = ["192.0.2.%[3]d", "2001:db8::%[3]d"]
  }
}
`

// TestVLANAndVRF: two routers elect one and fail over on a VLAN interface that is bound
// to a VRF, and by unicast within the VRF without an interface. Both need a kernel that
// many a container host has not.
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
			{"addr", "add", fmt.Sprintf("2001:db8::%d/64", 2+i), "dev", "eth0.10", "nodad"},
		} {
			labtest.Must(t, n.IP(t.Context(), args...))
		}
	}
	run := func(n *lab.Node, priority, self int) *lab.Process {
		return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fmt.Sprintf(vlan, priority, self, 5-self)))
	}
	await := func(n *lab.Node, state string) {
		t.Helper()
		labtest.Await(t, n, "vlan", state)
		labtest.Await(t, n, "vrf", state)
	}
	a := run(l.A, 150, 2)
	run(l.B, 100, 3)
	await(l.A, "active")
	await(l.B, "backup")
	// Its first advertisement may still be under way.
	labtest.Must(t, lab.Until(t.Context(), "b has heard of a", func() error {
		s, err := l.B.Status(t.Context())
		for _, is := range s.Instances {
			if err == nil && is.ActiveRouter != "192.0.2.2" {
				err = fmt.Errorf("the active router of %s is %q", is.Name, is.ActiveRouter)
			}
		}
		return err
	}))
	labtest.Must(t, a.Stop())
	await(l.B, "active")
	for _, address := range []string{"192.0.2.200", "192.0.2.201", "2001:db8::201"} {
		if held, err := l.B.Holds(address); err != nil || !held {
			t.Errorf("b holds %s: %t, %v", address, held, err)
		}
	}
	run(l.A, 150, 2)
	await(l.A, "active")
	await(l.B, "backup")
}
