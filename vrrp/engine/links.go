package engine

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
)

// linkState is the state of an interface as an instance takes it: the kernel's, or while a
// change has lasted for less than its delay the one before.
type linkState struct {
	up      bool
	waiting bool          // the kernel says otherwise
	due     time.Duration // when that is believed
}

// believe gives the state of an interface to an instance at an instant, and whether a
// change was taken back within its delay. The first word is believed at once.
func (in *instance) believe(key string, up bool, delay func(up bool) time.Duration, at time.Duration) (now, bounced bool) {
	b, known := in.linkStates[key]
	switch {
	case !known:
		b = linkState{up: up}
	case up == b.up:
		bounced, b.waiting = b.waiting, false
	case delay(up) == 0, b.waiting && at >= b.due:
		b = linkState{up: up}
	case !b.waiting:
		b.waiting, b.due = true, at+delay(up)
	}
	in.linkStates[key] = b
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
	for _, name := range in.cfg.Needs() {
		asked[needed+name] = true
	}
	maps.DeleteFunc(in.linkStates, func(key string, _ linkState) bool { return !asked[key] })
}

// ownLink is the key of the instance's own interface; others have their track's.
const ownLink = ""

// needed begins the key of an interface that has virtual addresses, routes or rules of
// the instance, and is not its own.
const needed = "needed/"

// lacks says what is wrong with the other interfaces that the instance needs: an active
// router must be able to hold all that it claims. They have the delays of its own.
func (e *Engine) lacks(now time.Time, in *instance) (fault string) {
	for _, name := range in.cfg.Needs() {
		if name == in.cfg.Interface || in.cfg.Unbound() && name == in.cfg.VRF {
			continue
		}
		l, there := e.links[name]
		up, _ := in.believeLink(needed+name, l, there, e.since(now))
		if fault == "" {
			fault = in.unusable(name, l, there, up)
		}
	}
	return fault
}

// unusable says what is wrong with an interface that is believed to be up or not.
func (in *instance) unusable(name string, l Link, there, up bool) string {
	switch {
	case !there:
		return fmt.Sprintf("interface %s is not there", name)
	case !up && l.Up:
		return fmt.Sprintf("interface %s has been up for less than %s", name, timespan.Text(in.cfg.InterfaceUpDelay))
	case !up:
		return fmt.Sprintf("interface %s is down", name)
	}
	return ""
}

// unhearing says why nothing arrives at the interface of an instance though it is up: a
// port's packets are those of what it is a port of.
func unhearing(l Link) string {
	if l.Port == (Port{}) {
		return ""
	}
	return fmt.Sprintf("interface %s is a port of %s %s, where everything arrives: set interface = %q, or ip link set %s nomaster",
		l.Name, l.Port.Kind, l.Port.Name, l.Port.Name, l.Name)
}

// unanswering says why nobody would find the instance's IPv4 addresses. With a virtual
// MAC address they are on an interface of usher's own, which it keeps as it must be.
func (e *Engine) unanswering(in *instance) string {
	for _, a := range in.cfg.Addresses {
		on := cmp.Or(a.Interface, in.cfg.Interface)
		if a.Prefix.Addr().Is6() || a.Untracked || in.cfg.VirtualMAC && on == in.cfg.Interface {
			continue
		}
		if e.links[on].ARPOff {
			return fmt.Sprintf("interface %s has ARP off: ip link set %s arp on", on, on)
		}
	}
	return ""
}

// believeLink is believe for an interface that the instance is on.
func (in *instance) believeLink(key string, l Link, there bool, at time.Duration) (up, bounced bool) {
	if !there { // with its addresses
		in.linkStates[key] = linkState{}
		return false, false
	}
	return in.believe(key, l.Up, func(up bool) time.Duration {
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
		for _, b := range in.linkStates {
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
	b := in.linkStates[ownLink]
	if in.m.State() != vrrp.Backup || !b.waiting || !b.up {
		return false
	}
	in.linkStates[ownLink] = linkState{}
	e.evaluateAll(now)
	return true
}
