package api

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Room bounds how many of something there are at once, in all and for each client. A
// client gets one more while it has fewer than are free: one alone gets half of all, two
// a third each, and whoever comes anew finds some free unless all are taken by many. So
// nobody can take the server away from the others, and nobody is bound where there is
// nobody else.
type Room struct {
	limit int

	mu    sync.Mutex
	taken int
	by    map[netip.Prefix]int
	freed chan struct{} // closed when one is given back
}

// NewRoom makes room for so many, at least 1.
func NewRoom(limit int) *Room {
	return &Room{limit: limit, by: map[netip.Prefix]int{}, freed: make(chan struct{})}
}

// Enter takes one for a client, known by its address with a port or without. A client
// without an address, as at a unix socket, is bounded by all that there are alone. leave
// gives it back, however often it is called; nil where there is none.
func (r *Room) Enter(client string) (leave func()) {
	leave, _ = r.enter(clientOf(client))
	return leave
}

// wait is Enter for a client that has the patience to wait until others are done.
func (r *Room) wait(ctx context.Context, client string, patience time.Duration) (leave func()) {
	who := clientOf(client)
	leave, freed := r.enter(who)
	if leave != nil {
		return leave
	}
	over := time.NewTimer(patience)
	defer over.Stop()
	for leave == nil {
		select {
		case <-freed:
			leave, freed = r.enter(who)
		case <-over.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return leave
}

func (r *Room) enter(who netip.Prefix) (leave func(), freed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.limit - r.taken
	if free <= 0 || who.IsValid() && r.by[who] >= free {
		return nil, r.freed
	}
	r.taken++
	r.by[who]++
	return sync.OnceFunc(func() { r.leave(who) }), nil
}

func (r *Room) leave(who netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
	if r.by[who]--; r.by[who] == 0 {
		delete(r.by, who)
	}
	close(r.freed)
	r.freed = make(chan struct{})
}

// clientOf gives the addresses that one client may have: a host with IPv6 has all of its
// network's (RFC 4291 section 2.5.1), but of link-local ones its own alone.
func clientOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if at, atErr := netip.ParseAddrPort(address); atErr == nil {
		ip, err = at.Addr(), nil
	}
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLinkLocalUnicast() {
		return netip.PrefixFrom(ip, 64).Masked()
	}
	return netip.PrefixFrom(ip, ip.BitLen())
}
