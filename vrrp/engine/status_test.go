package engine

import (
	"testing"
	"time"

	"usher/vrrp"
)

// TestPriority_Reason: a change of the effective priority says why, and by how much.
func TestPriority_Reason(t *testing.T) {
	b := newBench(t)
	cfg := prior(web(), 150)
	cfg.Track = []vrrp.Track{{Kind: vrrp.TrackScript, Name: "s", Weight: -60}, {Kind: vrrp.TrackInterface, Name: "eth1", Weight: 20}}
	b.e.Apply(b.now, desired(cfg))
	b.wants("priority: web: priority 170, was 150: interface eth1 is up (+20)")
	b.e.Track(b.now, "web", "script/s", vrrp.Adjustment{Weight: -60, Reason: "script s: exit status 1"})
	b.wants("priority: web: priority 110, was 170: script s: exit status 1 (-60)")
	b.e.Track(b.now, "web", "script/s", vrrp.Adjustment{Reason: "script s: succeeds"})
	b.wants("priority: web: priority 170, was 110: script s: succeeds (+60)")
	b.e.Track(b.now, "web", "script/s", vrrp.Adjustment{Weight: -60, Reason: "script s: exit status 1"})
	cfg.Priority, cfg.Track = 200, cfg.Track[1:]
	b.said = nil
	b.e.Apply(b.now, desired(cfg))
	b.wants("priority: web: priority 220, was 110: configured 200, was 150, script/s is not tracked any more (+60)")
}

// TestActiveRouter_Unknown: it is nobody's name while nobody is known to be active, and
// a peer's as long as that is heard, whatever this router's own state.
func TestActiveRouter_Unknown(t *testing.T) {
	b := newBench(t)
	active := func(want string) {
		t.Helper()
		if s := b.status("web"); s.ActiveRouter.IsValid() != (want != "") || want != "" && s.ActiveRouter.String() != want {
			t.Errorf("%v: active router %v, want %q (%v)", b.now.Sub(start), s.ActiveRouter, want, s.State)
		}
	}
	b.e.Apply(b.now, desired(web()))
	active("")
	b.run(5 * time.Second)
	active("192.0.2.5")
	b.e.Maintenance(b.now, true)
	b.run(11 * time.Second)
	b.is("web", vrrp.Initialize)
	active("")
	b.hear("192.0.2.7", advertOf(web(), false, 90))
	active("192.0.2.7")
	b.run(14 * time.Second)
	active("192.0.2.7")
	b.run(15 * time.Second)
	active("")
	b.e.Maintenance(b.now, false)
	b.hear("192.0.2.7", advertOf(web(), false, 90))
	active("192.0.2.7")
	b.hear("192.0.2.7", advertOf(web(), false, 0))
	active("")
}

// TestActiveRouter_GaveWay: a router that gave way to nobody names nobody.
func TestActiveRouter_GaveWay(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, two())
	b.run(5 * time.Second)
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	if s := b.status("old"); s.State != vrrp.Backup || s.ActiveRouter.IsValid() {
		t.Errorf("old is %v and names %v", s.State, s.ActiveRouter)
	}
}

// TestNobodyActive: addresses that nobody is known to hold are told of, and since when.
func TestNobodyActive(t *testing.T) {
	b := newBench(t)
	nobody := func(want time.Duration) {
		t.Helper()
		switch s := b.status("web"); {
		case want == 0 && s.NobodyActiveSince != nil:
			t.Errorf("%v: nobody active since %v", b.now.Sub(start), s.NobodyActiveSince.Sub(start))
		case want > 0 && (s.NobodyActiveSince == nil || s.NobodyActiveSince.Sub(start) != want):
			t.Errorf("%v: nobody active since %v, want %v", b.now.Sub(start), s.NobodyActiveSince, want)
		}
	}
	slow := web()
	slow.Interval = 10 * time.Second
	b.e.Maintenance(b.now, true)
	b.e.Apply(b.now, desired(web()))
	b.run(3 * time.Second)
	nobody(0) // one does not know yet
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	b.run(6 * time.Second)
	nobody(0)
	b.run(7 * time.Second)
	nobody(3 * time.Second)
	b.hear("192.0.2.7", advertOf(slow, false, 150))
	b.run(30 * time.Second)
	nobody(0) // a router that speaks seldom
	b.run(41 * time.Second)
	nobody(7 * time.Second)
	b.e.Maintenance(b.now, false)
	b.run(60 * time.Second)
	b.is("web", vrrp.Active)
	nobody(0)
	b.link("eth0", false)
	nobody(0)
	b.run(70 * time.Second)
	nobody(60 * time.Second)
}
