package daemon

import (
	"sync"
	"time"
)

// HistoryInterval is the time between two values of a virtual server's history,
// historyLength how many are kept: ten minutes.
const (
	HistoryInterval = 10 * time.Second
	historyLength   = 60
)

// history holds the rate of new connections of each virtual server, for the small
// graphs of the status page.
type history struct {
	mu   sync.Mutex
	at   time.Time
	last map[string]uint64 // total connections at the last sample
	rate map[string][]uint64
}

func newHistory() *history {
	return &history{last: map[string]uint64{}, rate: map[string][]uint64{}}
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

func (h *history) keep(names map[string]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.last {
		if !names[name] {
			delete(h.last, name)
			delete(h.rate, name)
		}
	}
}
