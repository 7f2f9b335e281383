package rtnl

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
	"usher/vrrp/vip"
)

// fib is one routing table of a family: what is usher's in it, or all.
type fib struct {
	v6    bool
	table int
	all   bool
}

// routes are those of a table, by where they lead.
type routes map[netip.Prefix][]route

// route is what matters of a route.
type route struct {
	via, source               netip.Addr
	index, metric, mtu, scope int
	kind                      int
	v6                        bool
	protocol                  int
}

// key is what the kernel tells routes to one destination apart by.
type key struct {
	metric, index int
	via           netip.Addr
}

func (r route) identity() key {
	if !r.v6 {
		return key{metric: r.metric}
	}
	return key{r.metric, r.index, r.via}
}

// same says whether a route that is there is the one that is wanted.
func (r route) same(want route) bool {
	if want.kind != unix.RTN_UNICAST {
		r.index, r.scope = want.index, want.scope // the kernel says what it likes
	}
	if want.index == 0 {
		r.index = 0 // the gateway said it
	}
	return r == want
}

// defaultMetric6 is what a route of IPv6 gets where none is given (IP6_RT_PRIO_USER).
const defaultMetric6 = 1024

// wantRoute is a route as the kernel tells of it.
func (k *Kernel) wantRoute(r vip.Route, all links) (route, error) {
	out := route{via: r.Via, source: r.Source, metric: r.Metric, mtu: r.MTU, kind: routeTypes[r.Type], v6: r.To.Addr().Is6(), protocol: mark}
	if r.Link != "" {
		l, there := all.byName[r.Link]
		if !there {
			return route{}, unix.ENODEV
		}
		out.index = l.index
	}
	if out.v6 {
		if out.metric == 0 {
			out.metric = defaultMetric6
		}
		return out, nil
	}
	scope, err := scopeOf(r)
	out.scope = int(scope)
	return out, err
}

// readRoutes reads the routes of one table. The kernel filters where it can: a router
// may have a million others than usher's.
func (k *Kernel) readRoutes(t fib) (routes, error) {
	family := unix.AF_INET
	if t.v6 {
		family = unix.AF_INET6
	}
	protocol := uint8(mark)
	if t.all {
		protocol = unix.RTPROT_UNSPEC
	}
	msgs, err := dump.Read(func() ([][]byte, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
		req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family), Protocol: protocol}})
		req.AddData(nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(t.table))))
		return k.lister.list(req, unix.RTM_NEWROUTE)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return routes{}, nil // there is no such table yet
	}
	if err != nil {
		return nil, fmt.Errorf("list routes of table %d: %w", t.table, err)
	}
	all := routes{}
	for _, m := range msgs {
		if to, table, r, ok := parseRoute(m); ok && table == t.table && (t.all || r.protocol == mark) {
			all[to] = append(all[to], r)
		}
	}
	return all, nil
}

// parseRoute reads a message about a route.
func parseRoute(m []byte) (to netip.Prefix, table int, r route, ok bool) {
	if len(m) < unix.SizeofRtMsg {
		return to, 0, r, false
	}
	msg := nl.DeserializeRtMsg(m)
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofRtMsg:])
	if err != nil {
		return to, 0, r, false
	}
	r = route{kind: int(msg.Type), scope: int(msg.Scope), v6: msg.Family == unix.AF_INET6, protocol: int(msg.Protocol)}
	table = int(msg.Table)
	dst := netip.IPv4Unspecified()
	if r.v6 {
		dst, r.scope = netip.IPv6Unspecified(), 0
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_TABLE:
			table = int(number(a.Value))
		case unix.RTA_GATEWAY:
			r.via, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_PREFSRC:
			r.source, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_OIF:
			r.index = int(number(a.Value))
		case unix.RTA_PRIORITY:
			r.metric = int(number(a.Value))
		case unix.RTA_METRICS:
			r.mtu = mtuOf(a.Value)
		}
	}
	return netip.PrefixFrom(dst, int(msg.Dst_len)), table, r, true
}

func mtuOf(metrics []byte) int {
	attrs, err := nl.ParseRouteAttr(metrics)
	if err != nil {
		return 0
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.RTAX_MTU {
			return int(number(a.Value))
		}
	}
	return 0
}
