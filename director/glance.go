package director

import (
	"maps"
	"time"

	"usher/director/ipvs"
)

// Between two comparisons of the whole table one service is looked at every now and
// then, each in its turn: the kernel tells nobody when somebody flushes or edits its
// table. So a flush is noticed at the next glance, however many services there are, and
// an edit in as many glances as there are services.
const firstGlance = time.Second

// glance has the whole table compared if the service whose turn it is is not as it was
// left. Where that happens glance after glance, as with somebody who fights for the
// table, the next ones come later and later.
func (d *Director) glance(now time.Time) {
	l := &d.loop
	if l.glance.IsZero() || now.Before(l.glance) || l.backoff > 0 { // what was refused is tried again by itself
		return
	}
	if d.disturbed() {
		l.resync = now
		l.pause = min(2*l.pause, d.options.Resync)
	} else {
		l.pause = firstGlance
	}
	l.glance = now.Add(l.pause)
}

// disturbed tells whether the service whose turn it is is not as it was left. A kernel
// that does not say is worth a look at everything.
func (d *Director) disturbed() bool {
	d.mu.Lock()
	key, ok := d.nextGlance()
	left, there := d.shadow[key]
	d.mu.Unlock()
	if !ok || !there {
		return false
	}
	d.step()
	found, there, err := d.options.Kernel.Entry(key)
	return err != nil || !there || found.Service != left.Service || !maps.Equal(found.Destinations, left.Destinations)
}

// nextGlance gives the service whose turn it is; false where there is none. Caller holds
// mu.
func (d *Director) nextGlance() (ipvs.ServiceKey, bool) {
	if len(d.order) == 0 {
		return ipvs.ServiceKey{}, false
	}
	turn := d.loop.turn
	d.loop.turn++
	keys := d.pools[d.order[turn%len(d.order)]].config.Keys
	return keys[turn/len(d.order)%len(keys)], true
}
