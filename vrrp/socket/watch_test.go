package socket

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
)

// TestNews: the renewal of a lease is no news, which costs no reading of all
// interfaces; an address that comes, goes or can be used now is.
func TestNews(t *testing.T) {
	w := newWatcher(slog.New(slog.DiscardHandler), nil)
	w.known = map[located]bool{{2, netip.MustParseAddr("192.0.2.1")}: true, {2, netip.MustParseAddr("2001:db8::1")}: true, {2, netip.MustParseAddr("2001:db8::3")}: false}
	for _, c := range []struct {
		address string
		index   int
		there   bool
		flags   int
		want    bool
	}{
		{"192.0.2.1", 2, true, 0, false},
		{"2001:db8::1", 2, true, unix.IFA_F_NODAD, false},
		{"192.0.2.1", 2, false, 0, true},
		{"192.0.2.1", 3, true, 0, true},
		{"192.0.2.2", 2, true, 0, true},
		{"192.0.2.2", 2, false, 0, false},
		{"2001:db8::2", 2, true, unix.IFA_F_TENTATIVE, true}, // it may be a virtual one, which is no business of whoever added it
		{"2001:db8::3", 2, true, unix.IFA_F_DADFAILED, false},
		{"2001:db8::1", 2, true, unix.IFA_F_DADFAILED, true},
	} {
		u := netlink.AddrUpdate{LinkAddress: net.IPNet{IP: net.ParseIP(c.address)}, LinkIndex: c.index, NewAddr: c.there, Flags: c.flags}
		if got := w.news(u); got != c.want {
			t.Errorf("%+v: news %v", c, got)
		}
	}
}

// TestRecognised: an address without a mark is usher's where somebody remembers that.
func TestRecognised(t *testing.T) {
	ours, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/24")
	w := newWatcher(slog.New(slog.DiscardHandler), nil)
	w.ours = func(index int, p netip.Prefix) bool { return index == 2 && p == ours }
	all := map[string]engine.Link{
		"eth0": {Name: "eth0", Index: 2, Lasting: []netip.Prefix{other, ours}},
		"eth1": {Name: "eth1", Index: 3, Lasting: []netip.Prefix{ours}},
	}
	w.recognise(all)
	if l := all["eth0"]; !slices.Equal(l.Lasting, []netip.Prefix{other}) || !slices.Equal(l.Marked, []netip.Prefix{ours}) {
		t.Errorf("%+v", l)
	}
	if l := all["eth1"]; !slices.Equal(l.Lasting, []netip.Prefix{ours}) || len(l.Marked) > 0 {
		t.Errorf("%+v", l)
	}
}

// TestWatchTellsOfAddresses: what the notifications tell reaches the engine, also
// where much comes at once.
func TestWatchTellsOfAddresses(t *testing.T) {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "d0"}, PeerName: "d1"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(link) })
	told := make(chan func(time.Time, *engine.Engine), 1000)
	w := newWatcher(slog.New(slog.DiscardHandler), func(f func(time.Time, *engine.Engine)) { told <- f })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	<-told // all interfaces, as they are now
	var want []netip.Addr
	for i := range 50 {
		ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		want = append(want, ip)
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}, ValidLft: 60, PreferedLft: 60}); err != nil {
			t.Fatal(err)
		}
	}
	limit := time.After(patienceOfTest)
	for {
		w.mu.Lock()
		have := slices.Clone(w.last["d0"].Addresses)
		w.mu.Unlock()
		slices.SortFunc(have, netip.Addr.Compare)
		if slices.Equal(have, want) {
			break
		}
		select {
		case <-told:
		case <-limit:
			t.Fatalf("the watch knows %v", have)
		}
	}
	cancel()
	<-done
}
