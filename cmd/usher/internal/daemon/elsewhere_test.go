package daemon

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"usher/vrrp"
)

// TestSendingWarnings: adverts that are not sent are an error, those that lack addresses a
// warning; an instance that sends as it should has neither.
func TestSendingWarnings(t *testing.T) {
	r := newReporter()
	r.current.ready.Store(true)
	since := time.Now().Add(-time.Minute)
	web := vrrp.Status{Name: "web", State: vrrp.Active, Held: true, Interface: "eth0", Addresses: []string{"192.0.2.1/24", "192.0.2.2/24"}}
	told := func(s vrrp.Status) (all []string) {
		r.current.snapshot = snapshot{vrrp: readVRRP{list: []vrrp.Status{s}}}
		for _, w := range r.Status().Warnings {
			all = append(all, w.Severity+" "+w.Kind+" "+w.Text)
		}
		return all
	}
	if all := told(web); len(all) > 0 {
		t.Errorf("nothing is wrong: %q", all)
	}
	web.Unsent, web.NotCarried, web.MTU = &vrrp.Unsent{Text: "message too long", Since: since}, 1, 68
	want := []string{
		"error unsent its advertisements are not sent, so that other directors take over beside it: message too long",
		"warning not_carried its advertisements have no room for 1 of 2 addresses, which are held all the same: the MTU of eth0 is 68; exclude some from the advertisement, or share them among instances",
	}
	if all := told(web); !slices.Equal(all, want) {
		t.Errorf("told %q", all)
	}
}

// TestElsewhereWarning: a virtual address on another interface is a warning where the
// kernel answers for it, with what to do, and none where it is set not to.
func TestElsewhereWarning(t *testing.T) {
	for _, c := range []struct {
		ignore int
		err    error
		warned bool
	}{{0, nil, true}, {1, nil, false}, {2, nil, false}, {3, nil, true}, {8, nil, false}, {1, errors.New("no such file"), true}} {
		r := newReporter()
		r.current.ready.Store(true)
		r.machine.ARPIgnore = func(name string) (int, error) {
			if name != "eth0" {
				t.Errorf("asked for %s", name)
			}
			return c.ignore, c.err
		}
		r.current.snapshot = snapshot{vrrp: readVRRP{list: []vrrp.Status{{
			Name: "web", State: vrrp.Backup, ActiveRouter: netip.MustParseAddr("192.0.2.2"),
			Elsewhere: []vrrp.Elsewhere{{Prefix: netip.MustParsePrefix("192.0.2.10/32"), Interface: "lo", On: "eth0", Since: time.Now()}},
		}}}}
		var told []string
		for _, w := range r.Status().Warnings {
			if w.Kind == "elsewhere" {
				told = append(told, w.Severity+" "+w.Text)
			}
		}
		if (len(told) == 1) != c.warned {
			t.Errorf("arp_ignore %d, %v: %q", c.ignore, c.err, told)
		}
		if want := "warning 192.0.2.10/32 is on lo as well and usher did not put it there: this machine answers ARP for it on eth0 whoever is active: " +
			"ip address delete 192.0.2.10/32 dev lo, or where it is to stay sysctl -w net.ipv4.conf.eth0.arp_ignore=1"; c.warned && told[0] != want {
			t.Errorf("told %q", told[0])
		}
	}
}
