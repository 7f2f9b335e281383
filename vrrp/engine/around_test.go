package engine

import (
	"net/netip"
	"testing"
	"time"

	"usher/vrrp"
)

func two() vrrp.Desired {
	return vrrp.Desired{
		Instances: []vrrp.Config{web(), instanceConfig("old", 52, "192.0.2.11/24")},
		Groups:    []vrrp.Group{{Name: "edge", Instances: []string{"web", "old"}}},
	}
}

// TestSyncGroup_TogetherActive: a group takes over when no member has another router
// to obey, and then with all members.
func TestSyncGroup_TogetherActive(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	if s := b.status("web"); s.Group != "edge" {
		t.Fatalf("after the first Apply web is in group %q", s.Group)
	}
	for i := range 8 {
		b.run(time.Duration(i) * time.Second)
		b.hear("192.0.2.7", advertOf(d.Instances[1], false, 150))
	}
	b.is("web", vrrp.Backup)
	b.is("old", vrrp.Backup)
	b.said = nil
	b.run(11 * time.Second)
	b.is("web", vrrp.Active)
	b.is("old", vrrp.Active)
	b.wants("web: active", "old: active", "edge: active, was backup")
}

// TestSyncGroup_OneGivesWay: the others resign with it.
func TestSyncGroup_OneGivesWay(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	b.said = nil
	b.hear("192.0.2.7", advertOf(d.Instances[0], false, 150))
	b.is("web", vrrp.Backup)
	b.is("old", vrrp.Backup)
	b.wants("web: backup", "old sends priority 0", "old holds false", "old: backup, was active: web of its sync group is backup")
}

// TestSyncGroup_OneFault: one fault faults all, and all come back together.
func TestSyncGroup_OneFault(t *testing.T) {
	b := newBench(t)
	d := two()
	d.Instances[1].Track = []vrrp.Track{{Kind: vrrp.TrackInterface, Name: "eth1"}}
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	b.said = nil
	b.link("eth1", false)
	b.is("web", vrrp.Fault)
	b.is("old", vrrp.Fault)
	b.wants("web sends priority 0", "web: fault, was active: old of its sync group: interface/eth1: interface eth1 is down", "edge: fault, was active")
	b.link("eth1", true)
	b.run(10 * time.Second)
	b.is("web", vrrp.Active)
	b.is("old", vrrp.Active)
}

// TestApply_OthersUndisturbed: adding, changing and removing one instance leaves the
// others in state and on time.
func TestApply_OthersUndisturbed(t *testing.T) {
	b := newBench(t)
	old := instanceConfig("old", 52, "192.0.2.11/24")
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	timer := func() time.Duration { at, _ := b.e.instance("web").m.Timer(); return at }
	undisturbed := func(d vrrp.Desired) {
		t.Helper()
		b.said = nil
		before, was := timer(), b.status("web")
		b.e.Apply(b.now, d)
		if now := b.status("web"); timer() != before || now.Transitions != was.Transitions || now.State != vrrp.Active {
			t.Errorf("web is %v, timer %v, was %v, timer %v", now.State, timer(), was.State, before)
		}
		b.never("web")
	}
	undisturbed(desired(web(), old))
	b.run(9 * time.Second)
	b.is("old", vrrp.Active)
	old.Priority = 50
	undisturbed(desired(web(), old))
	b.is("old", vrrp.Active)
	old.VRID = 53 // another virtual router: it resigns and begins anew
	undisturbed(desired(web(), old))
	b.is("old", vrrp.Backup)
	b.run(14 * time.Second)
	undisturbed(desired(web()))
	if b.held["old"] {
		t.Error("what was removed holds its addresses")
	}
	grouped := desired(web(), old)
	grouped.Groups = []vrrp.Group{{Name: "edge", Instances: []string{"web", "old"}}}
	undisturbed(grouped)
	b.run(19 * time.Second)
	b.is("old", vrrp.Active)
	undisturbed(desired(web())) // a member that is removed does not take the group along
}

// TestApply_Soft: priority, interval and addresses change without an election.
func TestApply_Soft(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	cfg := web()
	cfg.Priority, cfg.Interval = 150, 100*time.Millisecond
	cfg.Addresses = append(cfg.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix("192.0.2.12/24")})
	b.said, b.sent = nil, nil
	b.e.Apply(b.now, desired(cfg))
	b.is("web", vrrp.Active)
	b.wants("web sends priority 100", "priority: web: priority 150, was 100: configured 150, was 100") // the new interval at once
	b.sent = nil
	b.run(6 * time.Second)
	if n := len(b.sent); n < 9 || n > 10 {
		t.Errorf("%d adverts in a second", n)
	}
	if p := b.sent[0].Payload; p[2] != 150 || p[3] != 2 {
		t.Errorf("advert % x", p)
	}
}

// TestTracking: weights add up within 1..254, weight 0 is a fault, and what has not
// been heard of yet is no licence.
func TestTracking(t *testing.T) {
	cfg := web()
	cfg.Track = []vrrp.Track{
		{Kind: vrrp.TrackInterface, Name: "eth1", Weight: -30},
		{Kind: vrrp.TrackScript, Name: "check", Weight: 0},
		{Kind: vrrp.TrackFile, Name: "/f", Weight: 10},
	}
	b := newBench(t)
	b.e.Apply(b.now, desired(cfg))
	b.is("web", vrrp.Fault)
	b.wants("web: fault, was initialize: script/check: no result yet")
	b.e.Track(b.now, "web", "script/check", vrrp.Adjustment{Reason: "exit status 0"})
	b.is("web", vrrp.Backup)
	b.run(5 * time.Second)
	b.is("web", vrrp.Active)
	b.link("eth1", false)
	b.wants("priority: web: priority 70, was 100")
	b.e.Track(b.now, "web", "file//f", vrrp.Adjustment{Weight: 500})
	if p := b.status("web").EffectivePriority; p != 254 {
		t.Errorf("effective priority %d", p)
	}
	b.e.Track(b.now, "web", "script/check", vrrp.Adjustment{Fault: true, Reason: "exit status 1"})
	b.is("web", vrrp.Fault)
	if s := b.status("web"); s.Reason != "script/check: exit status 1" || len(s.Tracks) != 3 {
		t.Errorf("status %+v", s)
	}
	b.e.Track(b.now, "web", "script/gone", vrrp.Adjustment{Fault: true}) // of a reload ago: nothing
	b.e.Track(b.now, "nix", "script/check", vrrp.Adjustment{Fault: true})
	// A reload keeps what is known of tracks that it does not change.
	b.e.Apply(b.now, desired(cfg))
	b.is("web", vrrp.Fault)
}

// TestInterfaceFaults: an interface that is not there, down, without a source.
func TestInterfaceFaults(t *testing.T) {
	b := newBench(t)
	cfg := web()
	cfg.Interface = "eth7"
	b.e.Apply(b.now, desired(cfg))
	b.wants("web: fault, was initialize: interface eth7 is not there")
	b.link("eth7", false)
	if r := b.status("web").Reason; r != "interface eth7 is down" {
		t.Errorf("reason %q", r)
	}
	b.link("eth7", true)
	if r := b.status("web").Reason; r != "interface eth7 has no IPv4 address to send from" {
		t.Errorf("reason %q", r)
	}
	b.link("eth7", true, "192.0.2.10") // the virtual address itself is none
	b.is("web", vrrp.Fault)
	b.link("eth7", true, "192.0.2.10", "192.0.2.6")
	b.run(5 * time.Second)
	b.is("web", vrrp.Active)
	// Its source goes: the resignation still comes from the address that peers know.
	b.sent = nil
	b.link("eth7", true)
	b.is("web", vrrp.Fault)
	if len(b.sent) != 1 || b.sent[0].Source != netip.MustParseAddr("192.0.2.6") || b.sent[0].Payload[2] != 0 {
		t.Errorf("sent %+v", b.sent)
	}
	b.e.Link(b.now, Link{Name: "eth7", Gone: true})
	if r := b.status("web").Reason; r != "interface eth7 is not there" {
		t.Errorf("reason %q", r)
	}
}

// TestDeaf: a router that cannot hear must not take over.
func TestDeaf(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	s := b.e.Sockets()
	if len(s) != 1 || s[0].Interface != "eth0" || s[0].V6 || len(s[0].Groups) != 1 {
		t.Fatalf("sockets %+v", s)
	}
	b.e.Deaf(b.now, s[0], "too many open files")
	b.run(10 * time.Second)
	b.is("web", vrrp.Fault)
	b.e.Deaf(b.now, s[0], "")
	b.run(20 * time.Second)
	b.is("web", vrrp.Active)
}
