package engine

import (
	"testing"
	"time"

	"usher/vrrp"
)

// bouncy is an instance whose interface may be down for half a second, and has to be up
// for two.
func bouncy() vrrp.Config {
	c := web()
	c.InterfaceDownDelay, c.InterfaceUpDelay = 500*time.Millisecond, 2*time.Second
	return c
}

// TestInterfaceBounces: an interface that is back within the delay changes nothing but
// that the addresses are announced again; one that stays down is a fault when the
// delay is over, and has to be up for a while to end it.
func TestInterfaceBounces(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, vrrp.Desired{Instances: []vrrp.Config{bouncy()}})
	b.run(5 * time.Second)
	b.wants("web holds true")
	b.link("eth0", false, "192.0.2.5")
	b.run(5400 * time.Millisecond)
	b.link("eth0", true, "192.0.2.5")
	b.wants("web announces")
	b.run(20 * time.Second)
	b.never("holds false")

	b.said = nil
	b.link("eth0", false, "192.0.2.5")
	b.run(20300 * time.Millisecond)
	b.link("eth1", true, "198.51.100.6") // anything else that is told of
	b.run(20499 * time.Millisecond)
	b.never("holds false")
	b.run(20501 * time.Millisecond)
	b.wants("web holds false", "interface eth0 is down")
	b.link("eth0", true, "192.0.2.5")
	b.run(22500 * time.Millisecond)
	b.never("holds")
	b.link("eth0", false, "192.0.2.5") // not up for long enough
	b.run(23 * time.Second)
	b.link("eth0", true, "192.0.2.5")
	b.run(24999 * time.Millisecond)
	if s := b.status("web"); s.State != vrrp.Fault {
		t.Fatalf("%v after 1.999 s", s.State)
	}
	b.run(25001 * time.Millisecond)
	if s := b.status("web"); s.State != vrrp.Backup {
		t.Fatalf("%v after 2.001 s", s.State)
	}
	b.run(40 * time.Second)
	b.wants("web holds true")
}

// TestBackupDoesNotClaimFromADeadInterface: silence on an interface that is down is no
// sign of a dead peer, however short it has been down.
func TestBackupDoesNotClaimFromADeadInterface(t *testing.T) {
	b := newBench(t)
	b.e.Apply(b.now, vrrp.Desired{Instances: []vrrp.Config{bouncy()}})
	b.run(3300 * time.Millisecond) // the down timer runs out at 3.61 s
	b.link("eth0", false, "192.0.2.5")
	b.run(10 * time.Second)
	if s := b.status("web"); s.State != vrrp.Fault {
		t.Fatal(s.State)
	}
	b.never("holds true")
}

// TestTrackedInterfaceBounces: one that is back within its delay costs no priority.
func TestTrackedInterfaceBounces(t *testing.T) {
	b := newBench(t)
	c := web()
	c.Track = []vrrp.Track{{Kind: vrrp.TrackInterface, Name: "eth1", Weight: -10, DownDelay: time.Second}}
	b.e.Apply(b.now, vrrp.Desired{Instances: []vrrp.Config{c}})
	b.run(5 * time.Second)
	b.link("eth1", false)
	b.run(5900 * time.Millisecond)
	b.link("eth1", true)
	b.run(10 * time.Second)
	b.never("priority 90")
	b.link("eth1", false)
	b.run(11100 * time.Millisecond)
	b.wants("priority 90, was 100")
}

// TestTrackLeavesWhileItBounces: a reload that takes a track out while a change of it
// waits to be believed leaves nothing behind that is due for ever.
func TestTrackLeavesWhileItBounces(t *testing.T) {
	b := newBench(t)
	c := web()
	c.Track = []vrrp.Track{{Kind: vrrp.TrackInterface, Name: "eth1", Weight: -10, DownDelay: time.Second}}
	b.link("eth1", true)
	b.e.Apply(b.now, desired(c))
	b.run(5 * time.Second)
	b.link("eth1", false)
	c.Track = nil
	b.e.Apply(b.now, desired(c))
	b.now = start.Add(6100 * time.Millisecond)
	b.e.Expire(b.now)
	if at, ok := b.e.Deadline(); !ok || !at.After(b.now) {
		t.Errorf("the next deadline is %v ago", b.now.Sub(at))
	}
}
