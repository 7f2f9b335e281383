package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"usher/director"
	"usher/director/ipvs"
)

// pools are virtual servers of so many real servers, each with so many connections.
func pools(virtual, real int, connections uint32) []director.VirtualServerStatus {
	var list []director.VirtualServerStatus
	for v := range virtual {
		s := director.VirtualServerStatus{Name: fmt.Sprint("v", v)}
		for r := range real {
			s.Real = append(s.Real, director.RealServerStatus{
				Address:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(v >> 8), byte(v), byte(r)}), 80),
				Counters: ipvs.Counters{Active: connections},
			})
		}
		list = append(list, s)
	}
	return list
}

// TestHistoryOfRealServers: a value at each step, what was read last where nobody
// reads, the newest ten minutes of them, and nothing of servers that idle.
func TestHistoryOfRealServers(t *testing.T) {
	h := newHistory()
	now := time.Unix(1000, 0)
	h.saw(now, pools(1, 2, 0))
	h.step()
	if got := h.active(); len(got) != 0 {
		t.Errorf("of servers without connections: %v", got)
	}
	busy := pools(1, 2, 0)
	for i := range uint32(historyLength + 5) {
		busy[0].Real[1].Counters.Active = i
		h.saw(now, busy)
		h.step()
	}
	h.step() // nobody read
	got := h.active()["v0"]
	values := got["10.0.0.1:80"]
	if len(got) != 1 || len(values) != historyLength || values[0] != 6 || !slices.Equal(values[historyLength-3:], []uint32{63, 64, 64}) {
		t.Errorf("of a busy server: %v", got)
	}
	h.keep(nil, func(_ string, a netip.AddrPort) bool { return a.Addr() != netip.AddrFrom4([4]byte{10, 0, 0, 1}) })
	if got := h.active(); len(got) != 0 || len(h.servers) != 1 {
		t.Errorf("of a server that is gone: %v", got)
	}
}

// TestHistoryIsCheap: ten thousand servers take less than 3 MB, and are read by the
// daemon itself once a minute at the most, or not at all where somebody else does.
func TestHistoryIsCheap(t *testing.T) {
	if size := unsafe.Sizeof(active{}); size > 256 {
		t.Errorf("each server takes %d bytes", size)
	}
	for _, tc := range []struct {
		virtual int
		after   time.Duration
		stale   bool
	}{
		{10, HistoryInterval, true},
		{10, HistoryInterval / 4, false},
		{1000, 5 * HistoryInterval, false},
		{1000, 6 * HistoryInterval, true},
	} {
		h := newHistory()
		h.saw(time.Unix(1000, 0), pools(tc.virtual, 10, 1))
		if got := h.stale(time.Unix(1000, 0).Add(tc.after)); got != tc.stale {
			t.Errorf("%d virtual servers, read %s ago: stale is %t", tc.virtual, tc.after, got)
		}
	}
}
