package native

import (
	"fmt"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// unbound is a router that names no interface: its source is on lo, and its adverts go
// by the routes, of which there are two ways.
const unbound = `
vrrp_instance "web" {
  virtual_router_id = 51
  priority          = %d
  virtual_address "192.168.60.200/32" {
    interface = "eth0"
    track     = false
  }
  virtual_address "fe80::60:200/64" {
    interface = "eth0"
    track     = false
  }
  virtual_address "fd00:60::200/64" {
    interface = "eth0"
    track     = false
  }
  source6           = "2001:db8::%d"
  unicast {
    source = "203.0.113.%d"
    peers  = ["203.0.113.%d", "2001:db8::%d"]
  }
}
`

// TestNoInterface: two routers without an interface elect one, by unicast of both
// families, go on when the way between them changes, and fail over. A multicast
// router of the same VRID on one of the interfaces does not disturb them, nor they it.
func TestNoInterface(t *testing.T) {
	l := suite.New(t, "")
	route := func(eth, net4, net6 string) {
		for i, n := range l.Directors() {
			labtest.Must(t, n.IP(t.Context(), "route", "replace", fmt.Sprintf("203.0.113.%d/32", 3-i), "via", fmt.Sprintf("%s.%d", net4, 3-i), "dev", eth))
			labtest.Must(t, n.IP(t.Context(), "route", "replace", fmt.Sprintf("2001:db8::%d/128", 3-i), "via", fmt.Sprintf("%s::%d", net6, 3-i), "dev", eth))
		}
	}
	for i, n := range l.Directors() {
		labtest.Must(t, n.IP(t.Context(), "address", "add", fmt.Sprintf("203.0.113.%d/32", 2+i), "dev", "lo"))
		labtest.Must(t, n.IP(t.Context(), "address", "add", fmt.Sprintf("2001:db8::%d/128", 2+i), "dev", "lo"))
	}
	route("eth0", "192.168.60", "fd00:60")
	start := func(n *lab.Node, priority, self int) *lab.Process {
		peer := 5 - self
		text := fmt.Sprintf(unbound, priority, self, self, peer, peer) + strings.NewReplacer("web", "other", "eth0", "eth1", "192.168.60.200", "10.1.0.200").Replace(fmt.Sprintf(router, 250-priority))
		return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", text))
	}
	a := start(l.A, 150, 2)
	start(l.B, 100, 3)
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.B, "web", "backup")
	labtest.Await(t, l.A, "other", "backup")
	labtest.Await(t, l.B, "other", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	s, err := l.B.Status(t.Context())
	labtest.Must(t, err)
	if got := s.Instances[0].ActiveRouter; got != "203.0.113.2" {
		t.Errorf("the active router is %q, want 203.0.113.2", got)
	}
	transitions := s.Instances[0].Transitions
	route("eth1", "10.1.0", "fd00:10")
	labtest.Must(t, l.Cut(l.A, "eth0"))
	const longerThanDown = 2 * 5 // an advert of each family in a second
	before := statusOf(t, l.B).Statistics.Received
	labtest.Must(t, lab.Until(t.Context(), "b hears a by the other way", func() error {
		if n := statusOf(t, l.B).Statistics.Received - before; n < longerThanDown {
			return fmt.Errorf("it heard %d adverts", n)
		}
		return nil
	}))
	labtest.Await(t, l.B, "web", "backup")
	within(t, skew, "takeover after a planned stop", func() error {
		if err := a.Stop(); err != nil {
			return err
		}
		labtest.Await(t, l.B, "web", "active")
		return l.B.AwaitVIP(t.Context(), true)
	})
	if s, err = l.B.Status(t.Context()); err != nil || s.Instances[0].Transitions != transitions+1 {
		t.Errorf("b moved %d times, %v; want once, at a's stop", s.Instances[0].Transitions-transitions, err)
	}
}
