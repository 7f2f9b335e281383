package daemon

import (
	"net/netip"
	"sync"
	"time"

	"usher/director"
	"usher/healthcheck"
)

// HistoryInterval is the time between two values of a virtual server's history,
// historyLength how many are kept: ten minutes.
const (
	HistoryInterval = 10 * time.Second
	historyLength   = 60
)

// history holds, for the small graphs of the status page, the rate of new
// connections of each virtual server, and the active connections of each real one.
type history struct {
	mu   sync.Mutex
	at   time.Time
	last map[string]uint64 // total connections at the last sample
	rate map[string][]uint64

	seen    time.Time // when real servers' connections were last read
	servers map[healthcheck.ID]*active
}

// active are the active connections of one real server: as last read, and a ring of
// values that were. It is small, for there may be ten thousand.
type active struct {
	now    uint32
	values [historyLength]uint32
	count  int // of all values so far
}

func newHistory() *history {
	return &history{last: map[string]uint64{}, rate: map[string][]uint64{}, servers: map[healthcheck.ID]*active{}}
}

// saw takes what somebody read of the real servers' connections: the status page, a
// scrape of the metrics, or the daemon itself.
func (h *history) saw(now time.Time, list []director.VirtualServerStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = now
	for _, v := range list {
		for _, r := range v.Real {
			id := healthcheck.ID{VirtualServer: v.Name, RealServer: r.Address}
			a := h.servers[id]
			if a == nil {
				a = &active{}
				h.servers[id] = a
			}
			a.now = r.Counters.Active
		}
	}
}

// serversPerInterval is how many real servers the daemon itself reads the connections
// of within an interval: of more it reads them less often, unless somebody else does.
const serversPerInterval = 2000

// stale says whether the connections of real servers should be read.
func (h *history) stale(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	intervals := 1 + len(h.servers)/serversPerInterval
	return now.Sub(h.seen) >= time.Duration(intervals)*HistoryInterval-HistoryInterval/2
}

// step appends to the values of each real server its connections as last read.
func (h *history) step() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.servers {
		a.values[a.count%historyLength] = a.now
		a.count++
	}
}

// active gives the values of real servers by virtual server and address, oldest
// first, without those that never had a connection.
func (h *history) active() map[string]map[string][]uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]map[string][]uint32{}
	for id, a := range h.servers {
		if a.values == [historyLength]uint32{} {
			continue
		}
		if all[id.VirtualServer] == nil {
			all[id.VirtualServer] = map[string][]uint32{}
		}
		all[id.VirtualServer][id.RealServer.String()] = a.list()
	}
	return all
}

func (a *active) list() []uint32 {
	n := min(a.count, historyLength)
	list := make([]uint32, 0, n)
	for i := a.count - n; i < a.count; i++ {
		list = append(list, a.values[i%historyLength])
	}
	return list
}

// sample takes the connections that each virtual server has had so far.
func (h *history) sample(now time.Time, totals map[string]uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	passed := now.Sub(h.at).Seconds()
	for name, total := range totals {
		last, known := h.last[name]
		h.last[name] = total
		if !known || passed <= 0 {
			continue
		}
		var rate uint64
		if total >= last { // a service made anew counts from 0
			rate = uint64(float64(total-last)/passed + 0.5)
		}
		values := h.rate[name]
		if len(values) == historyLength {
			values = append(values[:0:0], values[1:]...)
		}
		h.rate[name] = append(values, rate)
	}
	h.at = now
}

// of gives a virtual server's values, oldest first. The slice is not changed later.
func (h *history) of(name string) []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.rate[name]
	return v[:len(v):len(v)]
}

// keep drops what is not of these virtual servers, or of a real server that is none.
func (h *history) keep(names map[string]bool, is func(virtualServer string, realServer netip.AddrPort) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.last {
		if !names[name] {
			delete(h.last, name)
			delete(h.rate, name)
		}
	}
	for id := range h.servers {
		if !is(id.VirtualServer, id.RealServer) {
			delete(h.servers, id)
		}
	}
}
