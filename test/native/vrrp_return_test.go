package native

import (
	"fmt"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// unicastPair is one of two routers that know each other's addresses and do not preempt.
const unicastPair = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = %d
  preempt           = false
  advert_interval   = "200ms"
  virtual_addresses = ["192.168.60.200/32"]
  unicast {
    source = "192.168.60.%d"
    peers  = ["192.168.60.%d"]
  }
}
`

// TestUnicastReturnsWithAnotherMAC: a director that comes back as another machine with
// the same address hears the active one, whose neighbour cache names the MAC address
// before, and does not take the address back.
func TestUnicastReturnsWithAnotherMAC(t *testing.T) {
	l := suite.New(t, "")
	start := func(n *lab.Node, priority, self int) *lab.Process {
		return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fmt.Sprintf(unicastPair, priority, self, 5-self)))
	}
	a := start(l.A, 150, 2)
	labtest.Await(t, l.A, "web", "active")
	start(l.B, 100, 3)
	labtest.Await(t, l.B, "web", "backup")
	labtest.Must(t, a.Stop())
	labtest.Await(t, l.B, "web", "active")
	// The entry is made to last, as that of a peer which answers somebody else; without
	// this the kernel may find out by itself in time.
	labtest.Must(t, l.B.IP(t.Context(), "neighbour", "replace", "192.168.60.2", "lladdr", "02:00:00:00:00:98", "dev", "eth0", "nud", "reachable"))
	for _, args := range [][]string{{"down"}, {"address", "02:00:00:00:00:99"}, {"up"}} {
		labtest.Must(t, l.A.IP(t.Context(), append([]string{"link", "set", "dev", "eth0"}, args...)...))
	}
	transitions := func(n *lab.Node) int {
		s, err := n.Status(t.Context())
		labtest.Must(t, err)
		return s.Instances[0].Transitions
	}
	before := transitions(l.B)
	start(l.A, 150, 2)
	labtest.Await(t, l.A, "web", "backup")
	const longerThanDown = 3 * 5 // adverts of 200 ms
	labtest.Must(t, lab.Until(t.Context(), "a hears b", func() error {
		if n := statusOf(t, l.A).Statistics.Received; n < longerThanDown {
			return fmt.Errorf("it heard %d adverts", n)
		}
		return nil
	}))
	if state, n := l.A.State(t.Context(), "web"), transitions(l.A); state != "backup" || n > 1 {
		t.Errorf("a is %s after %d transitions, want backup from the start", state, n)
	}
	if n := transitions(l.B) - before; n != 0 {
		t.Errorf("b changed %d times", n)
	}
}
