package vip

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"usher/vrrp"
)

// standInLease ends a stand-in that was left behind.
const standInLease = time.Second

// standIn gives what is put into the kernel in place of an object to try whether it
// would be taken: the same, of an address that nobody asks for. ok is false where
// nothing can be learnt from any.
func standIn(o Object, p plan) (s Object, ok bool) {
	switch o := o.(type) {
	case Address:
		a := vrrp.StandIn(o.Prefix.Addr().Is6())
		return Address{Link: o.Link, Prefix: host(a), Label: o.Label, Scope: o.Scope, Lease: standInLease}, true
	case LocalRoute:
		return LocalRoute{Link: o.Link, Address: vrrp.StandIn(o.Address.Is6())}, true
	case Route:
		if o.Via.IsValid() && slices.ContainsFunc(p.objects, func(other Object) bool {
			a, ok := other.(Address)
			return ok && a.Prefix.Contains(o.Via)
		}) {
			return nil, false // its gateway is reached by what is not there now
		}
		o.To, o.Source = host(vrrp.StandIn(o.To.Addr().Is6())), netip.Addr{}
		return o, true
	case Rule:
		o.From = host(vrrp.StandIn(o.V6))
		return o, true
	case Up:
		return o, true // an interface of usher's own, without addresses
	}
	return nil, false
}

// host is the prefix of one address.
func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func isThere(err error) bool { return errors.Is(err, fs.ErrExist) }
