package share

import (
	"cmp"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/director"
)

// Bounds of what is shared.
const (
	MaxEntries = 2048
	MaxMembers = 32 // the one that counts among them
	maxName    = 128
	maxServer  = 256 // bytes of a virtual server's name
	maxBy      = 256
	maxReason  = 200
	longest    = 366 * 24 * time.Hour // of an override that ends by itself
)

// Kept is how long it is remembered that something was lifted, or is over: a director that
// was away for longer may bring back what it missed the end of.
const Kept = 30 * 24 * time.Hour

// Key is what an entry is about.
type Key struct {
	VirtualServer string         `json:"virtual_server"`
	RealServer    netip.AddrPort `json:"real_server"`
}

// Compare orders keys.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.VirtualServer, o.VirtualServer), k.RealServer.Compare(o.RealServer))
}

// Entry is what an operator said of a real server. Its times are by the clock of the
// member that wrote it, and mean only their difference to others.
type Entry struct {
	Key
	Stamp    Stamp             `json:"stamp"`
	Override director.Override `json:"override"`
}

// lasts is for how long it holds; 0 without an end.
func (e Entry) lasts() time.Duration {
	if e.Override.Until.IsZero() {
		return 0
	}
	return e.Override.Until.Sub(e.Override.Since)
}

// lifts tells whether it only says that nothing is said any more.
func (e Entry) lifts() bool { return e.Override.Mode == director.OverrideNone }

// Compare orders entries of one key: the greater one wins. Two of one stamp that differ,
// which no clock gives, have an order, too, so that all choose the same.
func (e Entry) Compare(o Entry) int {
	a, b := e.Override, o.Override
	return cmp.Or(e.Stamp.Compare(o.Stamp), cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Weight, b.Weight), a.Since.Compare(b.Since),
		a.Until.Compare(b.Until), cmp.Compare(a.By, b.By), cmp.Compare(a.Reason, b.Reason))
}

// check gives what is wrong with an entry that somebody sent; nil for nothing.
func (e Entry) check() error {
	o := e.Override
	known := o.Mode == director.OverrideNone || o.Mode == director.OverrideDrain || o.Mode == director.OverrideDisable || o.Mode == director.OverrideWeight
	if !known || o.Mode != director.OverrideWeight && o.Weight != 0 || o.Since.IsZero() || e.Stamp.Wall <= 0 || e.lifts() && !o.Until.IsZero() || e.lasts() > longest {
		return Invalid
	}
	if !named(e.Stamp.Origin, maxName) || !named(e.VirtualServer, maxServer) || !line(o.By, maxBy) || !line(o.Reason, maxReason) {
		return Invalid
	}
	if !e.RealServer.IsValid() || e.RealServer.Addr().Zone() != "" || o.Validate(e.RealServer) != nil {
		return Invalid
	}
	return nil
}

// canonical is the entry as all write it: moments of UTC, by the clock alone.
func (e Entry) canonical() Entry {
	e.Override.Since = moment(e.Override.Since)
	e.Override.Until = moment(e.Override.Until)
	return e
}

// moment is a time as it is after a way over the network.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// named tells whether a text is a name: one line of at most so many bytes, not empty.
func named(s string, most int) bool { return s != "" && line(s, most) }

// Named tells whether a text can be the name of a member.
func Named(s string) bool { return named(s, maxName) }

// line tells whether a text is at most so many bytes of printable characters.
func line(s string, most int) bool {
	if len(s) > most || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// cut is a text made a line of at most so many bytes.
func cut(s string, most int) string {
	if line(s, most) {
		return s
	}
	var b []rune
	size := 0
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = '?'
		}
		if size += utf8.RuneLen(r); size > most {
			break
		}
		b = append(b, r)
	}
	return string(b)
}
