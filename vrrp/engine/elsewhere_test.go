package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"usher/vrrp"
)

// TestElsewhere: a virtual address that somebody put on another interface is in the
// status, since when, until it is gone; nothing else is.
func TestElsewhere(t *testing.T) {
	b := newBench(t)
	owner := web()
	owner.Name, owner.VRID, owner.Priority = "own", 52, vrrp.OwnerPriority
	owner.Addresses = []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.20/32")}}
	b.e.Apply(b.now, desired(web(), owner))
	lo := func(prefixes ...string) {
		l := Link{Name: "lo", Index: 1, Up: true}
		for _, p := range prefixes {
			l.Lasting = append(l.Lasting, netip.MustParsePrefix(p))
		}
		b.e.Link(b.now, l)
	}
	is := func(when string, want ...vrrp.Elsewhere) {
		t.Helper()
		got := b.status("web").Elsewhere
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if other := b.status("own").Elsewhere; len(other) > 0 {
			t.Errorf("%s: the owner's %v", when, other)
		}
	}
	lo("127.0.0.1/8", "192.0.2.20/32", "192.0.2.11/32")
	is("others' addresses")
	since := b.now
	lo("127.0.0.1/8", "192.0.2.10/32")
	at := vrrp.Elsewhere{Prefix: netip.MustParsePrefix("192.0.2.10/32"), Interface: "lo", On: "eth0", Since: since}
	is("there", at)
	b.run(5 * time.Second)
	lo("127.0.0.1/8", "192.0.2.10/32", "127.0.0.2/8")
	is("since it came", at)
	b.is("web", vrrp.Active)
	b.e.Link(b.now, Link{Name: "lo", Gone: true})
	is("gone")
	lo("192.0.2.10/32")
	at.Since = b.now
	b.e.Apply(b.now, desired(web(), owner))
	is("after a reload", at)
}
