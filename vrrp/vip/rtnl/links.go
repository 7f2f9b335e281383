package rtnl

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
	"usher/vrrp/vip"
)

// link is what matters of an interface.
type link struct {
	index, parent, master int
	name, kind, mac       string
	up, deaf              bool   // deaf: it resolves no address, or hears no multicast
	mode                  uint32 // of a macvlan
}

// links are all interfaces at one time.
type links struct {
	byName  map[string]link
	byIndex map[int]link
}

// linksRequest asks for all interfaces, without their counters.
func linksRequest() *nl.NetlinkRequest {
	const skipStatistics = 1 << 3 // RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStatistics)))
	return req
}

// readLinks reads all interfaces.
func readLinks() (links, error) {
	msgs, err := dump.Read(func() ([][]byte, error) { return listOnce(linksRequest(), unix.RTM_NEWLINK) })
	if err != nil {
		return links{}, fmt.Errorf("list interfaces: %w", err)
	}
	return parseLinks(msgs), nil
}

func parseLinks(msgs [][]byte) links {
	all := links{make(map[string]link, len(msgs)), make(map[int]link, len(msgs))}
	for _, m := range msgs {
		if l, ok := parseLink(m); ok {
			all.byName[l.name], all.byIndex[l.index] = l, l
		}
	}
	return all
}

// parseLink reads a message about an interface; ok is false for one of a protocol's
// own, as those about the ports of bridges.
func parseLink(m []byte) (l link, ok bool) {
	if len(m) < unix.SizeofIfInfomsg {
		return link{}, false
	}
	msg := nl.DeserializeIfInfomsg(m)
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
	if err != nil || msg.Family != unix.AF_UNSPEC {
		return link{}, false
	}
	l = link{index: int(msg.Index), up: msg.Flags&unix.IFF_UP != 0, deaf: msg.Flags&unix.IFF_NOARP != 0 || msg.Flags&unix.IFF_MULTICAST == 0}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			l.name = unix.ByteSliceToString(a.Value)
		case unix.IFLA_ADDRESS:
			l.mac = string(a.Value)
		case unix.IFLA_LINK:
			l.parent = int(number(a.Value))
		case unix.IFLA_MASTER:
			l.master = int(number(a.Value))
		case unix.IFLA_LINKINFO, unix.IFLA_LINKINFO | unix.NLA_F_NESTED:
			l.kind, l.mode = parseKind(a.Value)
		}
	}
	return l, true
}

func parseKind(info []byte) (kind string, mode uint32) {
	attrs, err := nl.ParseRouteAttr(info)
	if err != nil {
		return "", 0
	}
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case nl.IFLA_INFO_KIND:
			kind = unix.ByteSliceToString(a.Value)
		case nl.IFLA_INFO_DATA:
			if kind != "macvlan" {
				continue
			}
			data, err := nl.ParseRouteAttr(a.Value)
			if err != nil {
				return kind, 0
			}
			for _, d := range data {
				if d.Attr.Type == nl.IFLA_MACVLAN_MODE {
					mode = number(d.Value)
				}
			}
		}
	}
	return kind, mode
}

// number reads a 32-bit attribute.
func number(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

// seeMacvlan compares a macvlan with what there is.
func (all links) seeMacvlan(m vip.Macvlan) vip.Sight {
	l, there := all.byName[m.Name]
	if !there {
		return vip.Absent
	}
	if l.kind != "macvlan" {
		return vip.Foreign
	}
	parent, there := all.byName[m.Parent]
	master := 0
	if all.byIndex[parent.master].kind == "vrf" {
		master = parent.master
	}
	if !there || l.parent != parent.index || l.mac != string(m.MAC[:]) || l.mode != nl.MACVLAN_MODE_PRIVATE || l.master != master || l.deaf {
		return vip.Differs
	}
	return vip.InPlace
}

// seeUp says whether an interface is up.
func (all links) seeUp(u vip.Up) vip.Sight {
	if all.byName[u.Link].up {
		return vip.InPlace
	}
	return vip.Absent
}
