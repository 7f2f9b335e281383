package vip_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/vip"
	"usher/vrrp/vip/viptest"
)

// sent is one announcement on the simulated wire, and when it was sent.
type sent struct {
	address netip.Addr
	at      time.Duration
}

// bubble is one manager over the double, in virtual time.
type bubble struct {
	*vip.Manager
	kernel  *viptest.Kernel
	start   time.Time
	wire    chan sent
	events  chan vrrp.Event
	confirm chan string
	stall   chan chan struct{} // what is sent here blocks the next announcement until it is closed
}

func newBubble(t *testing.T, configs ...vrrp.Config) *bubble {
	t.Helper()
	b := &bubble{
		start: time.Now(), wire: make(chan sent, 1000), events: make(chan vrrp.Event, 1000),
		confirm: make(chan string, 1000), stall: make(chan chan struct{}, 1),
	}
	b.kernel = &viptest.Kernel{Announced: func(a vip.Announcement) {
		b.wire <- sent{a.Address, time.Since(b.start)}
		select {
		case wait := <-b.stall:
			<-wait
		default:
		}
	}}
	b.kernel.AddLink("eth0")
	b.Manager = vip.New(vip.Options{
		Kernel: b.kernel, Events: func(e vrrp.Event) { b.events <- e }, Confirm: func(name string) { b.confirm <- name },
	})
	for _, c := range configs {
		if err := b.Configure(c); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if all, _ := b.kernel.Addresses(); len(all) > 0 {
			t.Errorf("left behind: %v", all)
		}
	})
	synctest.Wait()
	return b
}

// flush gives all that was sent until now.
func (b *bubble) flush() (all []sent) {
	synctest.Wait()
	for {
		select {
		case s := <-b.wire:
			all = append(all, s)
		default:
			return all
		}
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
)

func web(a vrrp.Announce) vrrp.Config {
	return vrrp.Config{
		Name: "web", Interface: "eth0", Lease: 2 * time.Second, Announce: a,
		Addresses: []vrrp.Address{{Prefix: netip.PrefixFrom(one, 32)}, {Prefix: netip.PrefixFrom(two, 32)}},
	}
}

func TestAnnouncements(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for name, tt := range map[string]struct {
		announce vrrp.Announce
		want     []sent
	}{
		"each address as soon as it is there":       {vrrp.Announce{Repeat: 1}, []sent{{one, 0}, {two, 0}}},
		"no repeat given is one":                    {vrrp.Announce{}, []sent{{one, 0}, {two, 0}}},
		"a burst is spread":                         {vrrp.Announce{Repeat: 2}, []sent{{one, 0}, {two, 0}, {one, ms(20)}, {two, ms(20)}}},
		"a second burst after the delay":            {vrrp.Announce{Repeat: 1, Delay: ms(5000)}, []sent{{one, 0}, {two, 0}, {one, ms(5000)}, {two, ms(5000)}}},
		"refreshed again and again":                 {vrrp.Announce{Repeat: 1, Refresh: ms(4000)}, []sent{{one, 0}, {two, 0}, {one, ms(4000)}, {two, ms(4000)}, {one, ms(8000)}, {two, ms(8000)}}},
		"paced on the interface":                    {vrrp.Announce{Repeat: 1, Pace: ms(100)}, []sent{{one, 0}, {two, ms(100)}}},
		"a burst that pacing delays is not doubled": {vrrp.Announce{Repeat: 2, Pace: ms(100)}, []sent{{one, 0}, {two, ms(100)}, {one, ms(200)}, {two, ms(300)}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, web(tt.announce))
				b.Set("web", true)
				pass(10 * time.Second)
				if got := b.flush(); !slices.Equal(got, tt.want) {
					t.Errorf("sent %v\nwant %v", got, tt.want)
				}
			})
		})
	}
}

func TestPacingIsOfTheInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := web(vrrp.Announce{Repeat: 1, Pace: time.Second}), web(vrrp.Announce{Repeat: 1, Pace: time.Second})
		c.Name, c.Addresses = "mail", []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.3/32")}}
		b := newBubble(t, a, c)
		b.Set("web", true)
		b.Set("mail", true)
		pass(10 * time.Second)
		got := b.flush()
		for i := range got[1:] {
			if gap := got[i+1].at - got[i].at; gap < time.Second {
				t.Errorf("%v after the one before: %v", gap, got)
			}
		}
		if len(got) != 3 {
			t.Errorf("sent %v", got)
		}
	})
}

func TestAnnounceAfterContest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, web(vrrp.Announce{Repeat: 1}))
		b.Announce("web") // not active: nothing to say
		pass(time.Second)
		if got := b.flush(); len(got) > 0 {
			t.Fatalf("announced while not active: %v", got)
		}
		b.Set("web", true)
		b.flush()
		b.Announce("web")
		if got := b.flush(); len(got) != 2 {
			t.Errorf("sent %v; want each address once more", got)
		}
	})
}

// TestNothingAfterSetFalse: a router that is not active any more must not claim
// the address again, even in the middle of a round.
func TestNothingAfterSetFalse(t *testing.T) {
	for name, until := range map[string]time.Duration{"in the takeover": 0, "in a later round": 1500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, web(vrrp.Announce{Repeat: 1, Delay: 2 * time.Second, Refresh: time.Minute}))
				if until > 0 {
					b.Set("web", true)
					pass(until)
					b.flush()
				}
				wait := make(chan struct{})
				b.stall <- wait
				b.Set("web", true)
				pass(time.Second) // the worker hangs in its first announcement
				b.Set("web", false)
				close(wait)
				pass(10 * time.Second)
				if got := b.flush(); len(got) != 1 {
					t.Errorf("sent %v; want the one only that was under way", got)
				}
				if b.kernel.Has(one) || b.kernel.Has(two) {
					t.Error("an address is still there")
				}
			})
		})
	}
}

// TestSoon: the hint is no more than one; it changes nothing and ends by itself.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, web(vrrp.Announce{Repeat: 1}))
		b.Soon()
		b.Soon()
		b.Set("web", true)
		synctest.Wait()
		if got := b.flush(); len(got) != 2 || got[0].at != 0 || !b.Held("web") {
			t.Errorf("sent %v, held %v", got, b.Held("web"))
		}
		b.Soon() // nothing follows
		pass(time.Second)
		if !b.Held("web") {
			t.Error("given up after a hint")
		}
	})
}

func TestLatestCallWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, web(vrrp.Announce{Repeat: 1}))
		for i := range 101 {
			b.Set("web", i%2 == 0)
		}
		synctest.Wait()
		if !b.kernel.Has(one) || !b.Held("web") {
			t.Error("not held after a last Set(true)")
		}
		b.Set("web", true)
		b.Set("web", false)
		synctest.Wait()
		if b.kernel.Has(one) || b.Held("web") {
			t.Error("held after a last Set(false)")
		}
	})
}

// TestLateRenewal: a worker that slept through its lease asks first; the address
// comes back if the machine is still active, and is announced again.
func TestLateRenewal(t *testing.T) {
	for name, active := range map[string]bool{"still active": true, "not active any more": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, web(vrrp.Announce{Repeat: 1, Refresh: 500 * time.Millisecond}))
				b.Set("web", true)
				b.flush()
				wait := make(chan struct{})
				b.stall <- wait
				pass(10 * time.Second) // stalled at the first refresh
				if b.kernel.Has(one) {
					t.Fatal("the lease did not run out")
				}
				b.flush()
				close(wait)
				synctest.Wait()
				if b.kernel.Has(one) || b.Held("web") || len(b.flush()) > 1 {
					t.Fatal("back before it was confirmed")
				}
				if name := <-b.confirm; name != "web" {
					t.Errorf("asked for %q", name)
				}
				b.Set("web", active)
				synctest.Wait()
				if b.kernel.Has(one) != active || b.kernel.Has(two) != active || b.Held("web") != active {
					t.Errorf("there %v, held %v; want %v", b.kernel.Has(one), b.Held("web"), active)
				}
				if said := len(b.flush()) >= 2; said != active {
					t.Errorf("announced: %v", said)
				}
			})
		})
	}
}

// TestFailureIsToldOnceAndTriedAgain: what cannot be held is told, not the other
// addresses' problem, and held as soon as it is possible.
func TestFailureIsToldOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, web(vrrp.Announce{Repeat: 1}))
		bad := vip.Address{Link: "eth0", Prefix: netip.PrefixFrom(one, 32)}
		b.kernel.Fail(bad, errors.New("no room"))
		b.Set("web", true)
		pass(30 * time.Second)
		if !b.kernel.Has(two) || b.Held("web") {
			t.Errorf("the other address: %v, held: %v", b.kernel.Has(two), b.Held("web"))
		}
		if n := len(b.events); n != 1 {
			t.Fatalf("%d events; want one", n)
		}
		if e := <-b.events; e.Kind != vrrp.EventAddressFailed || e.Reason != "192.0.2.1/32 dev eth0: no room" {
			t.Errorf("event %+v", e)
		}
		for _, s := range b.flush() {
			if s.address == one {
				t.Error("announced an address that it does not have")
			}
		}
		b.kernel.Fail(bad, nil)
		pass(6 * time.Second)
		if !b.kernel.Has(one) || !b.Held("web") {
			t.Error("not held once it was possible")
		}
	})
}

// TestUntracked: what an instance does without while its interface is not there is no
// failure, and comes when the interface does.
func TestUntracked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &viptest.Kernel{}
		kernel.AddLink("eth0")
		c := vrrp.Config{Name: "web", Interface: "eth0", VRID: 51, Priority: 100, Lease: 2 * time.Second, Announce: vrrp.Announce{Repeat: 1}, Addresses: []vrrp.Address{
			{Prefix: netip.MustParsePrefix("192.0.2.1/32")}, {Prefix: netip.MustParsePrefix("192.0.2.2/32"), Interface: "eth1", Untracked: true}}}
		m := vip.New(vip.Options{Kernel: kernel, Events: func(e vrrp.Event) { t.Errorf("%s: %s", e.Kind, e.Reason) }})
		if err := m.Configure(c); err == nil {
			t.Error("nothing is said of the interface that is not there")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		m.Set("web", true)
		synctest.Wait()
		if !m.Held("web") || !kernel.Has(netip.MustParseAddr("192.0.2.1")) {
			t.Error("the others are not held")
		}
		kernel.AddLink("eth1")
		synctest.Wait()
		if !kernel.Has(netip.MustParseAddr("192.0.2.2")) {
			t.Error("it did not come with its interface")
		}
		cancel()
		<-done
	})
}
