package vrrp

import (
	"maps"
	"net/netip"
	"time"
)

// Sequence is the stamp of a signed advert: seconds since 1970 modulo 2^32 in its upper
// half, then a fraction of 1/65536 s in 16 bits, then a counter of 16 bits. The counter
// carries into the fraction. The zero value stands for no stamp.
type Sequence uint64

// SequenceAt is the stamp of a time, with a counter of 0.
func SequenceAt(t time.Time) Sequence {
	fraction := uint64(t.Nanosecond()) << 16 / uint64(time.Second)
	return Sequence(uint64(uint32(t.Unix()))<<32 | fraction<<16)
}

// After compares as serial numbers are: the seconds begin anew in 2106.
func (s Sequence) After(other Sequence) bool { return int64(s-other) > 0 }

// Ahead is by how many whole seconds a stamp is ahead of a clock, negative for behind.
func (s Sequence) Ahead(clock time.Time) time.Duration {
	return time.Duration(int32(uint32(s>>32)-uint32(clock.Unix()))) * time.Second
}

// Next gives the stamp after last, 0 for none, by a sender's clock. It is the clock's own,
// but for a clock that has not gone on, or was set back: then it counts, so that it stays
// new to receivers. With AntiReplayTime it follows a clock that was set back by more than
// the window, for the receivers have forgotten the sender by then.
func (h *HMAC) Next(last Sequence, clock time.Time) Sequence {
	c := SequenceAt(clock)
	if last == 0 || c.After(last) || h.AntiReplay == AntiReplayTime && last.Ahead(clock) > h.Window {
		return c
	}
	return last + 1
}

// Stale says whether a stamp is too far from the receiver's clock.
func (h *HMAC) Stale(s Sequence, clock time.Time) bool {
	return h.AntiReplay == AntiReplayTime && s.Ahead(clock).Abs() > h.Window
}

// Replay has the last stamp of each sender of one virtual router. The zero value knows
// none. Only who has a key comes to be known.
type Replay struct{ marks map[netip.Addr]Sequence }

// maxSenders bounds what somebody with a key who invents addresses can take of memory. A
// sender more is not heard until another one is forgotten: to forget one for it would let
// its old adverts be sent again.
const maxSenders = 1024

// New says whether a stamp is later than the last one of its sender. With AntiReplayTime
// a mark that is further from the clock than the window is forgotten: what came before it
// is stale by itself.
func (r *Replay) New(from netip.Addr, s Sequence, h *HMAC, clock time.Time) bool {
	mark, known := r.marks[from]
	if known && h.Stale(mark, clock) {
		known = false
		delete(r.marks, from)
	}
	if !known && len(r.marks) >= maxSenders {
		maps.DeleteFunc(r.marks, func(_ netip.Addr, m Sequence) bool { return h.Stale(m, clock) })
		return len(r.marks) < maxSenders
	}
	return !known || s.After(mark)
}

// Raise makes a stamp the last one of its sender. It is for adverts that passed all checks.
func (r *Replay) Raise(from netip.Addr, s Sequence) {
	if r.marks == nil {
		r.marks = map[netip.Addr]Sequence{}
	}
	r.marks[from] = s
}
