package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// at is a time of a clock, in seconds after some time in 2026.
func at(seconds float64) time.Time {
	return time.Unix(1_790_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestSequenceAt(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want Sequence
	}{
		{time.Unix(0x68000000, 500_000_000), 0x68000000_8000_0000},
		{time.Unix(0x68000000, 15_258), 0x68000000_0000_0000}, // a unit is 15258.79 ns
		{time.Unix(0x68000000, 15_259), 0x68000000_0001_0000},
		{time.Unix(0x68000000, 999_999_999), 0x68000000_ffff_0000},
		{time.Unix(1<<32+1, 0), 0x00000001_0000_0000},
	} {
		if got := SequenceAt(c.at); got != c.want {
			t.Errorf("%v: %#x, want %#x", c.at, got, c.want)
		}
	}
}

// TestNext is what keepalived 2.4.3 was measured to send when its clock alone was moved,
// with a window of 5 s.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		name  string
		mode  AntiReplay
		clock []float64
		want  []Sequence // of each: stamps of these, or a count after the one before
	}{
		{"forward", AntiReplayTime, []float64{0, 1, 100}, []Sequence{SequenceAt(at(0)), SequenceAt(at(1)), SequenceAt(at(100))}},
		{"in one tick", AntiReplayTime, []float64{0, 0, 0.000001}, []Sequence{SequenceAt(at(0)), SequenceAt(at(0)) + 1, SequenceAt(at(0)) + 2}},
		{"back by 3 s", AntiReplayTime, []float64{10, 7, 8, 9, 10, 11}, []Sequence{SequenceAt(at(10)), SequenceAt(at(10)) + 1, SequenceAt(at(10)) + 2, SequenceAt(at(10)) + 3, SequenceAt(at(10)) + 4, SequenceAt(at(11))}},
		{"back by the window", AntiReplayTime, []float64{10, 5}, []Sequence{SequenceAt(at(10)), SequenceAt(at(10)) + 1}},
		{"back by 7 s", AntiReplayTime, []float64{10, 3, 4}, []Sequence{SequenceAt(at(10)), SequenceAt(at(3)), SequenceAt(at(4))}},
		{"back by an hour", AntiReplayTime, []float64{4000, 400}, []Sequence{SequenceAt(at(4000)), SequenceAt(at(400))}},
		{"monotonic, back by an hour", AntiReplayMonotonic, []float64{4000, 400, 401}, []Sequence{SequenceAt(at(4000)), SequenceAt(at(4000)) + 1, SequenceAt(at(4000)) + 2}},
	} {
		h := &HMAC{AntiReplay: c.mode, Window: 5 * time.Second}
		last := Sequence(0)
		for i, clock := range c.clock {
			if last = h.Next(last, at(clock)); last != c.want[i] {
				t.Errorf("%s: advert %d is stamped %#x, want %#x", c.name, i, last, c.want[i])
			}
		}
	}
	h := &HMAC{AntiReplay: AntiReplayMonotonic}
	if got := h.Next(0x68000000_ffff_ffff, time.Unix(0, 0)); got != 0x68000001_0000_0000 {
		t.Errorf("the counter carries to %#x", got)
	}
	if end, begin := SequenceAt(time.Unix(1<<32-1, 0)), SequenceAt(time.Unix(1<<32+1, 0)); !begin.After(end) || end.After(begin) {
		t.Error("in 2106 the numbers go back")
	}
}

// TestStale: keepalived takes whole seconds, and exactly the window is within it.
func TestStale(t *testing.T) {
	h := &HMAC{AntiReplay: AntiReplayTime, Window: 5 * time.Second}
	for seconds, want := range map[float64]bool{0: false, 5: false, 5.9: false, 6: true, -5: false, -6: true, 1e6: true, -1e6: true} {
		if got := h.Stale(SequenceAt(at(seconds)), at(0)); got != want {
			t.Errorf("%v s ahead: stale %v", seconds, got)
		}
	}
	if h.AntiReplay = AntiReplayMonotonic; h.Stale(SequenceAt(at(1e6)), at(0)) {
		t.Error("monotonic looks at the clock")
	}
}

func TestReplay(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	h := &HMAC{AntiReplay: AntiReplayTime, Window: 5 * time.Second}
	var r Replay
	s := SequenceAt(at(0))
	for range 2 { // to look takes nothing
		if !r.New(a, s, h, at(0)) {
			t.Error("an advert that was not taken counts as taken")
		}
	}
	r.Raise(a, s)
	if r.New(a, s, h, at(0)) || r.New(a, s-1, h, at(0)) || !r.New(a, s+1, h, at(0)) {
		t.Error("only what is later is new")
	}
	if !r.New(b, s, h, at(0)) {
		t.Error("senders share a mark")
	}
	if r.New(a, s, h, at(5)) || !r.New(a, s, h, at(6)) {
		t.Error("a mark lasts as long as its time is within the window")
	}
	r.Raise(a, s)
	if m := (&HMAC{AntiReplay: AntiReplayMonotonic}); r.New(a, s, m, at(1e6)) {
		t.Error("a monotonic mark ends")
	}
}

// TestReplay_Crowd: who has a key and invents senders makes none of the others forgotten,
// and takes a bounded memory.
func TestReplay_Crowd(t *testing.T) {
	h := &HMAC{AntiReplay: AntiReplayTime, Window: 5 * time.Second}
	var r Replay
	first := netip.MustParseAddr("10.0.0.0")
	s := SequenceAt(at(0))
	for i, from := 0, first; i < 2*maxSenders; i, from = i+1, from.Next() {
		if r.New(from, s, h, at(0)) {
			r.Raise(from, s)
		}
	}
	if len(r.marks) != maxSenders || r.New(first, s, h, at(0)) {
		t.Errorf("%d marks, and the first is forgotten: %v", len(r.marks), r.New(first, s, h, at(0)))
	}
	if late := SequenceAt(at(6)); !r.New(netip.MustParseAddr("192.0.2.1"), late, h, at(6)) {
		t.Error("nobody else is heard when they are gone")
	}
}

// TestDefaultHMACWindow is what keepalived was measured to use.
func TestDefaultHMACWindow(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		500 * time.Millisecond: 5 * time.Second, time.Second: 5 * time.Second, 2700 * time.Millisecond: 6 * time.Second,
		40 * time.Second: 120 * time.Second, 255 * time.Second: 300 * time.Second,
	} {
		if got := DefaultHMACWindow(interval); got != want {
			t.Errorf("%v: %v, want %v", interval, got, want)
		}
	}
}
