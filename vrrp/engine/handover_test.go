package engine

import (
	"testing"
	"time"

	"usher/vrrp"
)

// TestFailover: the addresses stay until the successor is heard.
func TestFailover(t *testing.T) {
	b := newBench(t)
	cfg := web()
	cfg.Priority = 200
	b.e.Apply(b.now, desired(cfg))
	if err := b.e.Failover(b.now, "web"); err == nil {
		t.Error("a backup router was handed over")
	}
	if err := b.e.Failover(b.now, "nix"); err == nil {
		t.Error("an unknown instance was handed over")
	}
	b.run(5 * time.Second)
	b.said = nil
	if err := b.e.Failover(b.now, "web"); err != nil {
		t.Fatal(err)
	}
	b.wants("web sends priority 0")
	b.is("web", vrrp.Active)
	b.run(5600 * time.Millisecond)
	b.hear("192.0.2.7", advertOf(cfg, false, 100))
	b.wants("web holds false", "web: backup, was active: handed over to 192.0.2.7")
	for i := range 10 {
		b.run(6*time.Second + time.Duration(i)*time.Second)
		b.hear("192.0.2.7", advertOf(cfg, false, 100))
	}
	b.is("web", vrrp.Backup)
}

func TestFailover_NobodyThere(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	if err := b.e.Failover(b.now, "web"); err != nil {
		t.Fatal(err)
	}
	b.said = nil
	b.run(15 * time.Second)
	b.is("web", vrrp.Active)
	b.wants("handover: web: nobody has taken over", "web sends priority 100")
}

func TestMaintenance(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	b.e.Maintenance(b.now, true)
	b.is("web", vrrp.Active)
	b.hear("192.0.2.7", advertOf(web(), false, 90))
	b.is("web", vrrp.Initialize)
	b.link("eth0", false)
	b.link("eth0", true, "192.0.2.5")
	b.run(60 * time.Second)
	b.is("web", vrrp.Initialize)
	b.e.Maintenance(b.now, false)
	b.run(64 * time.Second)
	b.is("web", vrrp.Active)
}

// TestFailover_OtherAddresses: a router that takes over none of the addresses is no
// successor, one that takes over some of them is: a list may be in the midst of a change.
func TestFailover_OtherAddresses(t *testing.T) {
	b := newBench(t)
	cfg := instanceConfig("web", 51, "192.0.2.10/24", "192.0.2.11/24")
	b.e.Apply(b.now, desired(cfg))
	b.run(5 * time.Second)
	if err := b.e.Failover(b.now, "web"); err != nil {
		t.Fatal(err)
	}
	b.said = nil
	b.hear("192.0.2.8", advertOf(instanceConfig("", 51, "192.0.2.99/24"), false, 200))
	b.is("web", vrrp.Active)
	b.wants("split_brain: web: another active router: 192.0.2.8 with priority 200, here 100")
	b.hear("192.0.2.7", advertOf(instanceConfig("", 51, "192.0.2.11/24", "192.0.2.12/24"), false, 90))
	b.is("web", vrrp.Backup)
	b.wants("handed over to 192.0.2.7")
}

// TestFailover_Stubborn: a router that was active before, whatever it heard from this
// one, has not taken over now. One that gave way at once when it heard this one, as
// after a cut that has healed, may well do so.
func TestFailover_Stubborn(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	stubborn := func() { b.hear("192.0.2.8", advertOf(web(), false, 1)) }
	for i := range 10 {
		b.run(5*time.Second + time.Duration(i)*500*time.Millisecond)
		stubborn()
	}
	b.hear("192.0.2.7", advertOf(web(), false, 90))
	if err := b.e.Failover(b.now, "web"); err != nil {
		t.Fatal(err)
	}
	stubborn()
	b.is("web", vrrp.Active)
	b.hear("192.0.2.7", advertOf(web(), false, 90))
	b.is("web", vrrp.Backup)
}

// TestFailover_StubbornAlone: where nobody else is there the addresses are taken back.
func TestFailover_StubbornAlone(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	for i := range 30 {
		b.run(5*time.Second + time.Duration(i)*500*time.Millisecond)
		b.hear("192.0.2.8", advertOf(web(), false, 1))
		if i == 10 {
			if err := b.e.Failover(b.now, "web"); err != nil {
				t.Fatal(err)
			}
		}
		b.is("web", vrrp.Active)
	}
	b.wants("handover: web: nobody has taken over", "web sends priority 100")
	if s := b.status("web"); s.SplitBrain == nil || !s.SplitBrain.Since.Equal(start.Add(5*time.Second)) {
		t.Errorf("the split brain that never ended is told as %+v", s.SplitBrain)
	}
}

// TestSyncGroup_Failover hands over all members: each keeps its addresses until its own
// successor is heard.
func TestSyncGroup_Failover(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	if err := b.e.Failover(b.now, "old"); err != nil {
		t.Fatal(err)
	}
	b.wants("web sends priority 0", "old sends priority 0")
	b.run(5600 * time.Millisecond)
	b.hear("192.0.2.7", advertOf(d.Instances[0], false, 90))
	b.is("web", vrrp.Backup)
	b.is("old", vrrp.Active)
	b.run(6500 * time.Millisecond)
	b.never("old sends")
	b.hear("192.0.2.7", advertOf(d.Instances[1], false, 90))
	b.is("old", vrrp.Backup)
	b.wants("old holds false", "old: backup, was active: handed over to 192.0.2.7")
	for i := range 20 {
		b.run(7*time.Second + time.Duration(i)*500*time.Millisecond)
		b.hear("192.0.2.7", advertOf(d.Instances[0], false, 90))
		b.hear("192.0.2.7", advertOf(d.Instances[1], false, 90))
	}
	b.is("web", vrrp.Backup)
	b.is("old", vrrp.Backup)
}

// TestSyncGroup_FailoverHalf: a member whose successor is not heard within an interval
// after another's gives its addresses up: a group is all active or not at all.
func TestSyncGroup_FailoverHalf(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	if err := b.e.Failover(b.now, "web"); err != nil {
		t.Fatal(err)
	}
	b.run(5600 * time.Millisecond)
	b.hear("192.0.2.7", advertOf(d.Instances[0], false, 90))
	b.run(6599 * time.Millisecond)
	b.is("old", vrrp.Active)
	b.said = nil
	b.run(6600 * time.Millisecond)
	b.is("old", vrrp.Backup)
	b.wants("handover: old: nobody has taken over", "old sends priority 0", "old holds false", "old: backup, was active: others of its sync group have left")
}

// TestMaintenance_SyncGroup: the same where all goes into maintenance.
func TestMaintenance_SyncGroup(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	b.e.Maintenance(b.now, true)
	b.run(5600 * time.Millisecond)
	for i, cfg := range d.Instances {
		b.is(cfg.Name, vrrp.Active)
		b.hear("192.0.2.7", advertOf(d.Instances[i], false, 90))
		b.is(cfg.Name, vrrp.Initialize)
	}
	b.run(time.Minute)
	b.is("web", vrrp.Initialize)
	b.is("old", vrrp.Initialize)
}

// TestMaintenance_TakenBack: off again before any peer has answered, it has no effect.
func TestMaintenance_TakenBack(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	b.said = nil
	b.e.Maintenance(b.now, true)
	b.run(6 * time.Second)
	b.e.Maintenance(b.now, false)
	b.wants("web sends priority 0", "old sends priority 0", "web sends priority 100", "old sends priority 100")
	b.run(time.Minute)
	b.is("web", vrrp.Active)
	b.is("old", vrrp.Active)
	b.never("state:")
}

// TestMaintenance_TakenBackHalf: one member of a group has a successor by then, so that
// the other goes as well, and then takes part.
func TestMaintenance_TakenBackHalf(t *testing.T) {
	b := newBench(t)
	d := two()
	b.e.Apply(b.now, d)
	b.run(5 * time.Second)
	b.e.Maintenance(b.now, true)
	b.run(5600 * time.Millisecond)
	b.hear("192.0.2.7", advertOf(d.Instances[0], false, 90))
	b.is("web", vrrp.Initialize)
	b.e.Maintenance(b.now, false)
	b.is("old", vrrp.Active)
	b.hear("192.0.2.7", advertOf(d.Instances[1], false, 90))
	b.is("web", vrrp.Backup)
	b.is("old", vrrp.Backup)
}

// TestFailover_Reason: a router of a higher priority that stays back says why.
func TestFailover_Reason(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, desired(web()))
	b.run(5 * time.Second)
	if err := b.e.Failover(b.now, "web"); err != nil || !b.status("web").Leaving {
		t.Fatalf("%v, leaving %v", err, b.status("web").Leaving)
	}
	b.hear("192.0.2.7", advertOf(web(), false, 90))
	const want = "handed over to 192.0.2.7; its priority is higher, but after a handover on request it stays back until 192.0.2.7 hands over or falls silent"
	if s := b.status("web"); s.Reason != want || s.Leaving {
		t.Errorf("%+v", s)
	}
	b.run(10 * time.Second) // silent
	b.is("web", vrrp.Active)
}
