package engine

import "time"

// The kernel tells nobody when somebody flushes or edits its IPVS table, sets a sysctl or
// a timeout, or stops a synchronisation daemon. So between two comparisons of everything
// there is a look at each of these every second. (nftables tells: see sourceNAT.)
//
// A table that takes long to read is looked at whole less often; in between, one service is
// each second, each in its turn. So a flush is noticed at the next look, however many
// services there are.
const (
	firstLook = time.Second
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
		p.pause = firstLook
	}
	p.at = now.Add(p.pause)
}

func (p *pace) due(now time.Time) bool { return !p.at.IsZero() && !now.Before(p.at) }

// looked takes the outcome of a look.
func (p *pace) looked(now time.Time, disturbed bool, most time.Duration) {
	switch {
	case !disturbed:
		p.row, p.pause = 0, firstLook
	case p.row < patience:
		p.row++
	default:
		p.pause = min(2*p.pause, most)
	}
	p.at = now.Add(p.pause)
}

// next is the first of at and the time of the next look.
func (p *pace) next(at time.Time) time.Time {
	if !p.at.IsZero() && p.at.Before(at) {
		return p.at
	}
	return at
}
