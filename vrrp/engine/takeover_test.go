package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
)

// TestRFC9568_6_4_2_TakeOver: the advertisement goes before the addresses; TTL,
// destination and source are those of section 5.1.1.
func TestRFC9568_6_4_2_TakeOver(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.wants("state: web: backup, was initialize: started")
	b.run(3609 * time.Millisecond)
	b.is("web", vrrp.Backup)
	b.run(3610 * time.Millisecond)
	b.wants("web sends priority 100 to 224.0.0.18", "web holds true", "web: active, was backup: took over: heard no other director for 3.6 s")
	b.is("web", vrrp.Active)
	out := b.sent[0]
	if out.TTL != 255 || out.Source != netip.MustParseAddr("192.0.2.5") || out.Index != 2 || out.MAC != nil {
		t.Errorf("sent %+v", out)
	}
	if s := b.status("web"); s.ActiveRouter != out.Source || s.Stats.BecameActive != 1 || s.Transitions != 2 {
		t.Errorf("status %+v", s)
	}
	b.e.Shutdown(b.now)
	b.wants("web sends priority 0", "web holds false", "web: initialize, was active: shut down")
}

// TestRFC9568_6_4_3_OnTime: adverts keep their time however late the steps are.
func TestRFC9568_6_4_3_OnTime(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(4 * time.Second)
	for range 10 {
		at, _ := b.e.Deadline()
		b.now = at.Add(3 * time.Millisecond)
		b.e.Expire(b.now)
	}
	if at, _ := b.e.Deadline(); at != start.Add(3609375*time.Microsecond+11*time.Second) {
		t.Errorf("the next advert is due at %v", at.Sub(start))
	}
}

// TestRFC9568_6_4_3_HigherPriority: the active router gives way and names to whom.
func TestRFC9568_6_4_3_HigherPriority(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(4 * time.Second)
	b.said = nil
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	b.wants("web holds false", "web: backup, was active: 192.0.2.7 is active with priority 150")
	if s := b.status("web"); s.ActiveRouter != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("active router %v", s.ActiveRouter)
	}
	// Its silence: this router takes over, having been cut off as far as it knows...
	b.run(8 * time.Second)
	b.wants("took over: heard nothing of 192.0.2.7 for 3.6 s")
	// ...so that the winner is told, which knows whether it was active all along. Here it
	// looks like any preemption, as by a router that was started again.
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	b.is("web", vrrp.Backup)
	said := b.said
	b.wants("web sends priority 0", "web holds false")
	b.said = said
	b.never("split_brain")
}

// TestRFC9568_6_4_3_EqualPriority: an equal one does not preempt (section 6.4.2), so that
// it has been active without hearing this router.
func TestRFC9568_6_4_3_EqualPriority(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(4 * time.Second)
	b.hear("192.0.2.7", advertOf(web(), false, 100))
	b.wants("split_brain: web: another active router: 192.0.2.7 with priority 100, here 100", "web holds false", "split_brain_end")
	b.is("web", vrrp.Backup)
}

// TestRFC9568_6_4_3_Resignation: a router that gives way and resigns when it is preempted
// is no split brain; one that does so later was active beside this one until then.
func TestRFC9568_6_4_3_Resignation(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(3610 * time.Millisecond)
	b.is("web", vrrp.Active)
	b.run(3700 * time.Millisecond)
	b.hear("192.0.2.7", advertOf(web(), false, 0))
	b.never("split_brain")
	b.run(30 * time.Second)
	b.hear("192.0.2.7", advertOf(web(), false, 0))
	b.wants("split_brain: web: another active router: 192.0.2.7 which gave way, here 100, since "+timespan.At(start.Add(30*time.Second)), "web sends priority 100", "web announces")
	if s := b.status("web"); s.SplitBrain == nil || s.SplitBrain.Address != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("split brain %+v", s.SplitBrain)
	}
	b.run(40 * time.Second)
	b.wants("split_brain_end: web: two active routers")
}

// TestRFC9568_6_4_2_PriorityZero: a resignation is answered after Skew_Time.
func TestRFC9568_6_4_2_PriorityZero(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	b.run(time.Second)
	b.hear("192.0.2.7", advertOf(web(), false, 0))
	if at, _ := b.e.Deadline(); at.Sub(b.now) != 609375*time.Microsecond {
		t.Errorf("takes over after %v, want Skew_Time", at.Sub(b.now))
	}
	b.run(2 * time.Second)
	b.wants("web: active, was backup: took over: 192.0.2.7 resigned")
	if s := b.status("web"); s.ActiveRouter != netip.MustParseAddr("192.0.2.5") || s.Stats.PriorityZeroReceived != 1 || s.Stats.AdvertsReceived != 2 {
		t.Errorf("status %+v", s)
	}
}

// TestErratum8298_TwoOwners: an owner hears another one; the lower address gives way.
func TestErratum8298_TwoOwners(t *testing.T) {
	owner := web()
	owner.Priority = 255
	owner.Addresses = []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.5/24")}}
	b := newBench(t)
	b.e.Apply(b.now, desired(owner))
	b.is("web", vrrp.Active)
	b.hear("192.0.2.4", advertOf(owner, false, 255))
	b.is("web", vrrp.Active)
	b.hear("192.0.2.6", advertOf(owner, false, 255))
	b.is("web", vrrp.Backup)
}

// TestPreempted: the reason names the router that was preempted.
func TestPreempted(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	for range 4 {
		b.run(b.now.Sub(start) + 900*time.Millisecond)
		b.hear("192.0.2.7", advertOf(web(), false, 90))
	}
	b.run(4 * time.Second)
	b.wants("web: active, was backup: took over: preempted 192.0.2.7, which has priority 90")
}

// TestContest: another active router is an event with its address, the winner
// announces again, at most once a second, and once more when it is over.
func TestContest(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(10 * time.Second)
	b.said = nil
	for i := range 20 {
		b.run(10*time.Second + time.Duration(i)*100*time.Millisecond)
		b.hear("192.0.2.7", advertOf(web(), false, 90))
	}
	announced := 0
	for _, s := range b.said {
		if s == "web announces" {
			announced++
		}
	}
	if announced < 2 || announced > 3 {
		t.Errorf("%d announcements in 2 s of contest", announced)
	}
	if s := b.status("web"); s.SplitBrain == nil || s.SplitBrain.Address != netip.MustParseAddr("192.0.2.7") || s.SplitBrain.Priority != 90 {
		t.Errorf("split brain %+v", s.SplitBrain)
	}
	b.wants("split_brain: web: another active router: 192.0.2.7 with priority 90, here 100, since " + timespan.At(start.Add(10*time.Second)))
	b.run(20 * time.Second)
	b.wants("split_brain_end: web: two active routers", "web announces")
	if b.status("web").SplitBrain != nil {
		t.Error("the split brain goes on")
	}
}

// TestContest_Several: others who are active at the same time, one of them in both
// families, are told of once each, not with each advert.
func TestContest_Several(t *testing.T) {
	both := instanceConfig("web", 51, "192.0.2.10/24", "fe80::10/64")
	b := newBench(t)
	b.e.Apply(b.now, desired(both))
	b.run(4 * time.Second)
	b.said = nil
	for i := range 20 {
		b.run(4*time.Second + time.Duration(i)*500*time.Millisecond)
		b.hear("192.0.2.7", advertOf(both, false, 90))
		b.hear("fe80::7", advertOf(both, true, 90))
		b.hear("192.0.2.8", advertOf(both, false, 80))
	}
	told := 0
	for _, s := range b.said {
		if strings.HasPrefix(s, "split_brain") {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times of two others:\n%s", told, strings.Join(b.said, "\n"))
	}
	if s := b.status("web").SplitBrain; s == nil || !s.Since.Equal(start.Add(4*time.Second)) {
		t.Errorf("split brain %+v, want since its beginning", s)
	}
	b.run(30 * time.Second)
	b.wants("split_brain_end: web: two active routers for")
}

// TestTieBreak_TwoFamilies: with both families in one state, equal priorities
// are decided by one family alone, else both routers could give way for ever.
func TestTieBreak_TwoFamilies(t *testing.T) {
	both := instanceConfig("web", 51, "192.0.2.10/24", "fe80::10/64")
	b := newBench(t)
	b.e.Apply(b.now, desired(both))
	b.run(4 * time.Second)
	if len(b.sent) != 2 || b.sent[1].Destination != netip.MustParseAddr("ff02::12") || b.sent[1].Source != netip.MustParseAddr("fe80::5") {
		t.Fatalf("sent %+v", b.sent)
	}
	b.hear("192.0.2.4", advertOf(both, false, 100))
	b.hear("fe80::9", advertOf(both, true, 100))
	b.is("web", vrrp.Active)
	// The active router has one name, whichever family was heard last.
	b.hear("192.0.2.9", advertOf(both, false, 150))
	b.hear("fe80::9", advertOf(both, true, 150))
	if s := b.status("web"); s.ActiveRouter != netip.MustParseAddr("192.0.2.9") {
		t.Errorf("active router %v", s.ActiveRouter)
	}
	b.run(10 * time.Second)
	b.is("web", vrrp.Active)
	// A peer that speaks IPv6 alone is compared by IPv6.
	b.run(20 * time.Second)
	b.hear("fe80::9", advertOf(both, true, 100))
	b.is("web", vrrp.Backup)
}

// TestNewActiveReason: why a router became active, in the words of RFC 8347; a router
// that died was not preempted, whatever its priority was.
func TestNewActiveReason(t *testing.T) {
	const peer = "192.0.2.7"
	for name, tc := range map[string]struct {
		priority uint8
		preempt  bool
		peer     func(b *bench)
		until    time.Duration
		want     vrrp.NewActiveReason
		says     string
	}{
		"never": {100, true, func(*bench) {}, time.Second, vrrp.NotActive, "started"},
		"owner": {255, true, func(*bench) {}, time.Second, vrrp.ActivePriority, "started"},
		"alone": {100, true, func(*bench) {}, 5 * time.Second, vrrp.ActiveNoResponse, "heard no other director for"},
		"resignation": {100, true, func(b *bench) {
			b.hear(peer, advertOf(web(), false, 150))
			b.hear(peer, advertOf(web(), false, 0))
		}, 5 * time.Second, vrrp.ActivePriority, peer + " resigned"},
		"preemption": {100, true, func(b *bench) {
			for b.status("web").State != vrrp.Active {
				b.hear(peer, advertOf(web(), false, 50))
				b.run(b.now.Sub(start) + time.Second)
			}
		}, 6 * time.Second, vrrp.ActivePreempted, "preempted " + peer},
		"silence of a lower priority": {100, false, func(b *bench) {
			b.hear(peer, advertOf(web(), false, 50))
		}, 6 * time.Second, vrrp.ActiveNoResponse, "heard nothing of " + peer},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c := web()
			c.Priority, c.Preempt = tc.priority, tc.preempt
			b.e.Apply(b.now, desired(c))
			tc.peer(b)
			b.run(tc.until)
			if s := b.status("web"); s.Stats.NewActiveReason != tc.want || !strings.Contains(s.Reason, tc.says) {
				t.Errorf("%s: %q, want %s: %q", s.Stats.NewActiveReason, s.Reason, tc.want, tc.says)
			}
		})
	}
}
