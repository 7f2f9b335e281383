package vrrpproc

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/packet"
)

// TestGuardSigns: the guard signs a resignation when it sends it, hours after the child
// wrote it, and later than what the child sent last.
func TestGuardSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := vrrp.HMACKey{ID: 3, Secret: bytes.Repeat([]byte{3}, vrrp.MinHMACKey)}
		out := engine.Outgoing{Source: netip.MustParseAddr("192.0.2.11"), Destination: netip.MustParseAddr("224.0.0.18"),
			Signing: &engine.Signing{Key: key, AntiReplay: vrrp.AntiReplayTime, Window: 5 * time.Second}}
		a := packet.Advert{Version: 3, VRID: 51, Interval: time.Second, Addresses: []netip.Addr{virtualAddress}}
		out.Payload = packet.Append(nil, a, out.Source, out.Destination, packet.FormPseudoHeader)
		w := newWatched(t)
		w.says(t, testament{Will: &will{Instance: "web", Resign: []engine.Outgoing{out, out}, Down: time.Second}})
		<-time.After(3 * time.Hour)
		last := vrrp.SequenceAt(time.Now().Add(2 * time.Second)) // its clock was set back since
		w.stamps[51] = last
		_ = w.child.Close()
		w.bye(t)
		<-w.ended
		if len(w.sent) != 2 {
			t.Fatalf("%d adverts", len(w.sent))
		}
		for _, out := range w.sent {
			msg, rest, reason := packet.Split(out.Payload, false)
			trailer, ok := packet.ReadTrailer(rest)
			if reason != "" || !ok || trailer.KeyID() != 3 || !packet.NewKey(key).Verify(msg, &trailer, out.Source) {
				t.Fatalf("%x is not signed", out.Payload)
			}
			if s := trailer.Sequence(); !s.After(last) || s.Ahead(time.Now()).Abs() > 3*time.Second {
				t.Errorf("stamped %x after %x", s, last)
			}
			last = trailer.Sequence()
		}
		if w.stamps[51] != last {
			t.Error("the next child does not know of it")
		}
	})
}

// TestLifeSign_Stamps: what one process sent another sees, and the next life sign goes on
// from it.
func TestLifeSign_Stamps(t *testing.T) {
	child, file, err := newLifeSign()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer child.close()
	guard, err := mapLifeSign(file)
	if err != nil {
		t.Fatal(err)
	}
	defer guard.close()
	child.give()
	for _, vrid := range []uint8{1, 255} {
		child.Keep(vrid, vrrp.Sequence(vrid)+7)
		if got := guard.Last(vrid); got != vrrp.Sequence(vrid)+7 {
			t.Errorf("the guard reads %d", got)
		}
	}
	next, file2, err := newLifeSign()
	if err != nil {
		t.Fatal(err)
	}
	defer file2.Close()
	defer next.close()
	next.resume(guard.sequences())
	if next.Last(1) != 8 || next.Last(255) != 262 || next.Last(2) != 0 || next.age() < child.age() {
		t.Errorf("%d, %d, %d after a life sign before", next.Last(1), next.Last(255), next.Last(2))
	}
}
