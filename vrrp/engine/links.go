package engine

import (
	"maps"
	"time"

	"usher/vrrp"
)

// belief is the state of an interface as an instance takes it: the kernel's, or while a
// change has lasted for less than its delay the one before.
type belief struct {
	up      bool
	waiting bool          // the kernel says otherwise
	due     time.Duration // when that is believed
}

// believe gives the state of an interface to an instance at an instant, and whether a
// change was taken back within its delay. The first word is believed at once.
func (in *instance) believe(key string, up bool, delay func(up bool) time.Duration, at time.Duration) (now, bounced bool) {
	b, known := in.beliefs[key]
	switch {
	case !known:
		b = belief{up: up}
	case up == b.up:
		bounced, b.waiting = b.waiting, false
	case delay(up) == 0, b.waiting && at >= b.due:
		b = belief{up: up}
	case !b.waiting:
		b.waiting, b.due = true, at+delay(up)
	}
	in.beliefs[key] = b
	return b.up, bounced
}

// keepBeliefs drops what the configuration does not ask about any more.
func (in *instance) keepBeliefs() {
	in.delays = in.cfg.InterfaceUpDelay+in.cfg.InterfaceDownDelay > 0
	asked := map[string]bool{ownLink: true}
	for _, t := range in.cfg.Track {
		asked[t.Key()] = true
		in.delays = in.delays || t.Kind == vrrp.TrackInterface && t.UpDelay+t.DownDelay > 0
	}
	maps.DeleteFunc(in.beliefs, func(key string, _ belief) bool { return !asked[key] })
}

// ownLink is the key of the instance's own interface; others have their track's.
const ownLink = ""

// believeOwn is believe for the instance's own interface.
func (in *instance) believeOwn(l Link, there bool, at time.Duration) (up, bounced bool) {
	if !there { // with its addresses
		in.beliefs[ownLink] = belief{}
		return false, false
	}
	return in.believe(ownLink, l.Up, func(up bool) time.Duration {
		if up {
			return in.cfg.InterfaceUpDelay
		}
		return in.cfg.InterfaceDownDelay
	}, at)
}

// believeTrack is believe for an interface that is tracked.
func (in *instance) believeTrack(t vrrp.Track, up bool, at time.Duration) bool {
	now, _ := in.believe(t.Key(), up, func(up bool) time.Duration {
		if up {
			return t.UpDelay
		}
		return t.DownDelay
	}, at)
	return now
}

// linkDue is when the next change of an interface is to be believed.
func (e *Engine) linkDue() (at time.Duration, ok bool) {
	if e.closed {
		return 0, false
	}
	for _, in := range e.instances {
		if !in.delays {
			continue // asked before every wait
		}
		for _, b := range in.beliefs {
			if b.waiting && (!ok || b.due < at) {
				at, ok = b.due, true
			}
		}
	}
	return at, ok
}

// deafened makes a backup router whose timer has run out believe at once that its
// interface is down: what it did not hear from there is no sign of a dead peer.
func (e *Engine) deafened(now time.Time, in *instance) bool {
	b := in.beliefs[ownLink]
	if in.m.State() != vrrp.Backup || !b.waiting || !b.up {
		return false
	}
	in.beliefs[ownLink] = belief{}
	e.evaluateAll(now)
	return true
}
