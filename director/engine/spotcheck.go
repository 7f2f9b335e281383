package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	"usher/director/ipvs"
)

// The kernel tells nobody when somebody flushes or edits its IPVS table, sets a sysctl or
// a timeout, or stops a synchronisation daemon. So between two comparisons of everything
// there is a look at each of these every second. (nftables tells: see watchSNAT.)
//
// A table that takes long to read is looked at whole less often; in between, one service is
// each second, each in its turn. So a flush is noticed at the next look, however many
// services there are.
const (
	firstGlance = time.Second
	// spare is how many times as long as a look at the whole table takes there is none.
	spare = 100
)

// pace says when something is looked at. Where each look finds it disturbed, as with
// somebody who fights for it, the next ones come later and later.
type pace struct {
	at    time.Time // the next look; zero before the first comparison of everything
	pause time.Duration
	row   int // looks in a row that found it disturbed
}

// patience is how many of these there are before the pauses grow: it need not be a fight.
const patience = 2

// begin has the first look come a pause from now.
func (p *pace) begin(now time.Time) {
	if p.pause == 0 {
		p.pause = firstGlance
	}
	p.at = now.Add(p.pause)
}

func (p *pace) due(now time.Time) bool { return !p.at.IsZero() && !now.Before(p.at) }

// looked takes the outcome of a look.
func (p *pace) looked(now time.Time, disturbed bool, most time.Duration) {
	switch {
	case !disturbed:
		p.row, p.pause = 0, firstGlance
	case p.row < patience:
		p.row++
	default:
		p.pause = min(2*p.pause, most)
	}
	p.at = now.Add(p.pause)
}

// spotCheck has the whole table compared if what is looked at of it is not as it was left; it
// tells whether the settings are not.
func (d *Engine) spotCheck(now time.Time) (settings bool) {
	l := &d.loop
	if l.table.due(now) {
		disturbed := d.tableDisturbed()
		if disturbed {
			l.resync = now
		}
		l.table.looked(now, disturbed, d.options.Resync)
	}
	if l.others.due(now) {
		settings = d.settingsDisturbed()
		l.others.looked(now, settings, d.options.Resync)
	}
	return settings
}

// tableDisturbed tells whether the table, or of a large one the service whose turn it is,
// is not as it was left. A kernel that does not say is worth a look at everything, except
// where it is asked again anyway since it refused something.
func (d *Engine) tableDisturbed() bool {
	l := &d.loop
	if l.reading*spare <= firstGlance {
		d.step()
		have, err := d.read()
		if err != nil {
			return l.backoff == 0
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		for key, left := range d.shadow {
			if d.owned[key] && !l.uncertain[key] && !unchanged(left, have, key) {
				return true
			}
		}
		return false
	}
	d.mu.Lock()
	key, ok := d.nextSpotCheck()
	left, there := d.shadow[key]
	d.mu.Unlock()
	if !ok || !there {
		return false
	}
	d.step()
	found, there, err := d.options.Kernel.Entry(key)
	if err != nil {
		return l.backoff == 0
	}
	return !there || !unchanged(left, ipvs.Table{key: found}, key)
}

func unchanged(left ipvs.Entry, have ipvs.Table, key ipvs.ServiceKey) bool {
	found, there := have[key]
	return there && found.Service == left.Service && maps.Equal(found.Destinations, left.Destinations)
}

// read reads the whole table, and notes how long that takes.
func (d *Engine) read() (ipvs.Table, error) {
	began := time.Now()
	have, err := d.options.Kernel.Read()
	d.loop.reading = time.Since(began)
	return have, err
}

// nextSpotCheck gives the service whose turn it is; false where there is none. Caller holds
// mu.
func (d *Engine) nextSpotCheck() (ipvs.ServiceKey, bool) {
	if len(d.order) == 0 {
		return ipvs.ServiceKey{}, false
	}
	turn := d.loop.turn
	d.loop.turn++
	keys := d.pools[d.order[turn%len(d.order)]].Config().Keys
	return keys[turn/len(d.order)%len(keys)], true
}

// settingsDisturbed tells whether a sysctl, a timeout or the synchronisation daemons are
// not as they were left. What cannot be read is as it was.
func (d *Engine) settingsDisturbed() bool {
	d.mu.Lock()
	left := slices.Clone(d.inForce)
	d.mu.Unlock()
	timeouts := false
	for _, s := range left {
		if !strings.Contains(s.Name, ".") {
			timeouts = true
			continue
		}
		if value, err := d.sysctl(s.Name); err == nil && value != s.Value {
			return true
		}
	}
	if timeouts {
		have, err := d.options.Kernel.Timeouts()
		if err == nil && have != d.loop.timeouts {
			return true
		}
	}
	if d.loop.settings == nil || d.loop.settings.Sync == nil {
		return false
	}
	running, err := d.options.Kernel.SyncDaemons()
	return err == nil && !slices.Equal(running, d.loop.daemons)
}
