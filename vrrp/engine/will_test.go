package engine

import (
	"slices"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// willed is a bench that keeps each instance's last will.
func willed(t *testing.T) (*bench, map[string][]Outgoing) {
	b, wills := newBench(t), map[string][]Outgoing{}
	b.e.will = func(instance string, out []Outgoing) { wills[instance] = out }
	return b, wills
}

// TestWill: while active, and only then, somebody else can resign for an instance: from
// the address that its adverts come from, in every family.
func TestWill(t *testing.T) {
	b, wills := willed(t)
	b.e.Apply(b.now, desired(web()))
	b.run(3 * time.Second)
	if len(wills) > 0 {
		t.Fatalf("a backup has a will: %v", wills)
	}
	b.run(4 * time.Second)
	last := b.sent[len(b.sent)-1]
	w := wills["web"]
	if len(w) != 1 || w[0].Source != last.Source || w[0].Destination != last.Destination || w[0].Index != last.Index || w[0].TTL != last.TTL {
		t.Fatalf("will %+v, the last advert was %+v", w, last)
	}
	if a, _, bad := packet.Parse(w[0].Payload, w[0].Source, w[0].Destination); bad != vrrp.DiscardNone || a.Priority != 0 || a.VRID != web().VRID {
		t.Errorf("the will says %+v (%q)", a, bad)
	}
	own := slices.Clone(w[0].Payload)
	b.run(6 * time.Second)
	if !slices.Equal(own, w[0].Payload) {
		t.Error("the payload is the engine's buffer")
	}
	b.link("eth0", true, "192.0.2.6")
	b.run(8 * time.Second)
	if w := wills["web"]; len(w) != 1 || w[0].Source.String() != "192.0.2.6" {
		t.Errorf("after a change of the source address: %+v", w)
	}
	b.hear("192.0.2.7", advertOf(web(), false, 150))
	b.is("web", vrrp.Backup)
	if len(wills["web"]) > 0 {
		t.Error("the will outlives the state")
	}
}

// TestResume: an instance that resigned a moment ago, since its process died, waits
// for Skew_Time, and for an interval more when a successor's first advert can have
// gone unheard. What was long ago is past.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		ago, want time.Duration
	}{
		{100 * time.Millisecond, 609375 * time.Microsecond},
		{700 * time.Millisecond, 1609375 * time.Microsecond},
		{time.Minute, 3609375 * time.Microsecond},
		{-time.Second, 3609375 * time.Microsecond},
	} {
		b := newBench(t)
		d := desired(web())
		d.Resigned = map[string]time.Time{"web": b.now.Add(-c.ago)}
		b.e.Apply(b.now, d)
		b.run(c.want - time.Millisecond)
		b.is("web", vrrp.Backup)
		b.run(c.want)
		b.is("web", vrrp.Active)
	}
}

// TestResume_AfterFault: a track that is not known yet holds an instance in fault for a
// moment; it is resumed all the same, once.
func TestResume_AfterFault(t *testing.T) {
	b := newBench(t)
	d := desired(web())
	d.Resigned = map[string]time.Time{"web": b.now}
	b.link("eth0", false, "192.0.2.5")
	b.e.Apply(b.now, d)
	b.is("web", vrrp.Fault)
	b.link("eth0", true, "192.0.2.5")
	b.run(610 * time.Millisecond)
	b.is("web", vrrp.Active)
	b.link("eth0", false, "192.0.2.5")
	b.link("eth0", true, "192.0.2.5")
	b.run(2 * time.Second)
	b.is("web", vrrp.Backup)
}
