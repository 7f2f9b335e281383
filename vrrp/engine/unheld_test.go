package engine

import (
	"strings"
	"testing"
	"time"

	"usher/vrrp"
)

// TestUnheld: a router that does not hold its addresses tells its peers by a
// resignation, claims nothing while it is so, whether or not there is any peer, and
// takes part again once it can.
func TestUnheld(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	b.is("web", vrrp.Active)
	b.said = nil
	b.e.Unheld(b.now, "web", "192.0.2.1/32 dev eth0: permission denied")
	b.is("web", vrrp.Fault)
	b.wants("web sends priority 0", "web holds false", "cannot hold what belongs to it: 192.0.2.1/32 dev eth0: permission denied")
	b.said = nil
	b.run(60 * time.Second)
	b.never("sends")
	b.is("web", vrrp.Fault)
	if r := b.status("web").Reason; !strings.Contains(r, "permission denied") {
		t.Errorf("reason %q", r)
	}
	b.e.Unheld(b.now, "web", "192.0.2.1/32 dev eth0: no buffer space available")
	if r := b.status("web").Reason; !strings.Contains(r, "no buffer space") {
		t.Errorf("reason %q", r)
	}
	b.e.Unheld(b.now, "web", "")
	b.run(70 * time.Second)
	b.is("web", vrrp.Active)
}

// TestUnheldGroup: the others of its sync group do not stay behind; and a fault that
// was told before the instance was there counts.
func TestUnheldGroup(t *testing.T) {
	b := newBench(t)
	other := web()
	other.Name, other.VRID = "mail", 52
	b.e.Unheld(b.now, "mail", "macvlan vrrp4-52 on eth0: device busy")
	d := desired(web(), other)
	d.Groups = []vrrp.Group{{Name: "edge", Instances: []string{"web", "mail"}}}
	b.e.Apply(b.now, d)
	b.run(10 * time.Second)
	b.is("mail", vrrp.Fault)
	b.is("web", vrrp.Fault)
	b.e.Unheld(b.now, "mail", "")
	b.run(20 * time.Second)
	b.is("mail", vrrp.Active)
	b.is("web", vrrp.Active)
	b.e.Unheld(b.now, "mail", "again")
	b.is("web", vrrp.Fault)
	if r := b.status("web").Reason; !strings.HasPrefix(r, "mail of its sync group: cannot hold") {
		t.Errorf("reason %q", r)
	}
}
