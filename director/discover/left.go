package discover

import (
	"net/netip"
	"slices"
	"time"
)

// Left is a server that the pool had, and when it left.
type Left struct {
	Address netip.AddrPort `json:"address"`
	At      time.Time      `json:"at"`
}

// How long, and how many, servers that left are known.
const (
	leftFor  = 7 * 24 * time.Hour
	mostLeft = 200
)

// remember notes servers that left, and forgets those that left long ago.
func (p *Pool) remember(gone []netip.AddrPort, now time.Time) {
	if len(gone) == 0 {
		return
	}
	left := slices.DeleteFunc(slices.Clone(p.left), func(l Left) bool {
		return now.Sub(l.At) > leftFor || slices.Contains(gone, l.Address)
	})
	for _, a := range gone {
		left = append(left, Left{a, now})
	}
	p.left = left[max(0, len(left)-mostLeft):]
}

// Left tells when a server that the pool does not have left it, if that was within a week.
func (p *Pool) Left(address netip.AddrPort, now time.Time) (at time.Time, known bool) {
	i := slices.IndexFunc(p.left, func(l Left) bool { return l.Address == address })
	if i < 0 || now.Sub(p.left[i].At) > leftFor {
		return time.Time{}, false
	}
	return p.left[i].At, true
}
