package rtnl

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
	"usher/vrrp/vip"
)

// view is what the kernel has, read as far as it was asked for.
type view struct {
	k         *Kernel
	links     links
	addresses map[place]vip.Found
	routes    map[fib]routes
	proxies   map[proxied]bool
	rules     map[bool][]netlink.Rule
	settings  map[string]string
	rulesAsOf uint32 // the generation of nftables' rules; 0 where it is not known yet
}

// place is where an address is.
type place struct {
	index  int
	prefix netip.Prefix
}

// proxied is an address that an interface answers for.
type proxied struct {
	index   int
	address netip.Addr
}

// Look implements vip.Kernel.
func (k *Kernel) Look(objects []vip.Object) ([]vip.Sight, error) {
	k.settings.remember()
	v := &view{k: k, routes: map[fib]routes{}, rules: map[bool][]netlink.Rule{}, settings: map[string]string{}}
	seen := make([]vip.Sight, len(objects))
	var err error
	if v.links, err = k.lister.readLinks(); err != nil {
		for i := range seen {
			seen[i] = vip.Unseen
		}
		return seen, err
	}
	// A reading that fails is tried for the next of its kind again, and so fails for all
	// of that kind: one of them tells it.
	failed := map[string]error{}
	for i, o := range objects {
		if seen[i], err = v.see(o); err != nil {
			seen[i] = vip.Unseen
			if kind := fmt.Sprintf("%T", o); failed[kind] == nil {
				failed[kind] = fmt.Errorf("look at %s: %w", o, err)
			}
		}
	}
	return seen, errors.Join(slices.Collect(maps.Values(failed))...)
}

func (v *view) see(o vip.Object) (vip.Sight, error) {
	switch o := o.(type) {
	case vip.Address:
		return v.seeAddress(o)
	case vip.LocalRoute:
		return v.seeLocalRoute(o)
	case vip.Route:
		return v.seeRoute(o)
	case vip.Rule:
		return v.seeRule(o)
	case vip.Macvlan:
		return v.links.seeMacvlan(o), nil
	case vip.Up:
		return v.links.seeUp(o), nil
	case vip.Sysctl:
		return v.seeSetting(o)
	case vip.Drop:
		return v.seeDrop(o), nil
	}
	return vip.Absent, fmt.Errorf("%T: %w", o, errors.ErrUnsupported)
}

// seeAddress compares an address. Its lease is not looked at: that is renewed all
// the time anyway.
func (v *view) seeAddress(a vip.Address) (vip.Sight, error) {
	if v.addresses == nil {
		all, err := v.k.readAddresses()
		if err != nil {
			return vip.Absent, err
		}
		v.addresses = all
	}
	l, there := v.links.byName[a.Link]
	f, found := v.addresses[place{l.index, a.Prefix}]
	if !there || !found {
		return vip.Absent, nil
	}
	if !f.Ours {
		return vip.Foreign, nil
	}
	if a.Prefix.Addr().Is4() && (f.Address.Scope != a.Scope || f.Address.Label != a.Label && (a.Label != "" || f.Address.Label != a.Link)) {
		return vip.Differs, nil
	}
	return vip.InPlace, nil
}

func (v *view) seeLocalRoute(r vip.LocalRoute) (vip.Sight, error) {
	l, there := v.links.byName[r.Link]
	if !there {
		return vip.Absent, nil
	}
	all, err := v.table(fib{v6: r.Address.Is6(), table: unix.RT_TABLE_LOCAL})
	if err != nil {
		return vip.Absent, err
	}
	for _, have := range all[netip.PrefixFrom(r.Address, r.Address.BitLen())] {
		if have.kind != unix.RTN_LOCAL || have.index != l.index {
			continue
		}
		if r.Address.Is4() {
			return vip.InPlace, nil
		}
		answers, err := v.answers(proxied{l.index, r.Address})
		if err != nil || answers {
			return vip.InPlace, err
		}
		return vip.Differs, nil
	}
	others, err := v.table(fib{v6: r.Address.Is6(), table: unix.RT_TABLE_LOCAL, all: true})
	for _, have := range others[netip.PrefixFrom(r.Address, r.Address.BitLen())] {
		if have.v6 && have.metric == defaultMetric6 && have.protocol != mark {
			return vip.Foreign, err // IPv6 takes no second one
		}
	}
	return vip.Absent, err
}

// answers says whether an interface answers for an address by proxy.
func (v *view) answers(p proxied) (bool, error) {
	if v.proxies == nil {
		all, err := dump.Read(func() ([]netlink.Neigh, error) { return netlink.NeighProxyList(0, unix.AF_INET6) })
		if err != nil {
			return false, err
		}
		v.proxies = map[proxied]bool{}
		for _, n := range all {
			if a, ok := netip.AddrFromSlice(n.IP); ok {
				v.proxies[proxied{n.LinkIndex, a}] = true
			}
		}
	}
	return v.proxies[p], nil
}

func (v *view) seeRoute(r vip.Route) (vip.Sight, error) {
	all, err := v.table(fib{v6: r.To.Addr().Is6(), table: r.Table})
	if err != nil {
		return vip.Absent, err
	}
	want, err := v.k.wantRoute(r, v.links)
	if err != nil {
		return vip.Absent, nil // its interface is not there
	}
	seen := vip.Absent
	for _, have := range all[r.To] {
		if have.same(want) {
			return vip.InPlace, nil
		}
		if have.identity() == want.identity() {
			seen = vip.Differs
		}
	}
	if seen != vip.Absent {
		return seen, nil
	}
	others, err := v.table(fib{v6: want.v6, table: r.Table, all: true})
	for _, have := range others[r.To] {
		if have.metric == want.metric && have.protocol != mark {
			return vip.Foreign, err
		}
	}
	return vip.Absent, err
}

func (v *view) table(t fib) (routes, error) {
	if all, read := v.routes[t]; read {
		return all, nil
	}
	all, err := v.k.readRoutes(t)
	v.routes[t] = all
	return all, err
}

func (v *view) seeRule(r vip.Rule) (vip.Sight, error) {
	all, read := v.rules[r.V6]
	if !read {
		var err error
		if all, err = v.k.readRules(r.V6); err != nil {
			return vip.Absent, err
		}
		v.rules[r.V6] = all
	}
	want, seen := ruleOf(r), vip.Absent
	for _, have := range all {
		switch {
		case !sameRule(&have, want):
		case have.Protocol == mark:
			return vip.InPlace, nil
		default:
			seen = vip.Foreign
		}
	}
	return seen, nil
}

// seeSetting compares a setting, which is in place where it has the value, for
// somebody of ours who asked for it.
func (v *view) seeSetting(o vip.Sysctl) (vip.Sight, error) {
	value, known := v.settings[o.Key]
	if !known {
		var err error
		if value, err = read(o.Key); err != nil {
			value = "" // with its interface
		}
		v.settings[o.Key] = value
	}
	switch {
	case void(o.Key):
		return vip.InPlace, nil
	case !v.k.settings.owns(o), value == "":
		return vip.Absent, nil
	case value != o.Value:
		return vip.Differs, nil
	}
	return vip.InPlace, nil
}

// void says that a setting is of a family that this kernel does not have: there is
// nothing to be kept from.
func void(key string) bool { return strings.HasPrefix(key, "net/ipv6/") && !hasIPv6() }
