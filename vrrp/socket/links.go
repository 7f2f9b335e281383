package socket

import (
	"runtime"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/engine"
)

// resolving are the kinds of interfaces that answer ARP as the kernel makes them. Others
// do not, such as lo, dummy, tunnels and ipvlan, and nothing is wrong with that.
var resolving = []string{"device", "veth", "vlan", "macvlan", "bridge", "bond", "team"}

// arpOff says whether an interface was set not to answer ARP, which takes the kind that
// does. A VLAN has it off where the interface below had it off when it was made.
func arpOff(l, below netlink.Link) bool {
	const silent = unix.IFF_NOARP | unix.IFF_LOOPBACK | unix.IFF_POINTOPOINT
	a := l.Attrs()
	switch {
	case a.EncapType != "ether" || a.RawFlags&silent != unix.IFF_NOARP || !slices.Contains(resolving, l.Type()):
		return false
	case l.Type() == "device":
		return runtime.GOARCH != "s390x" // whose network cards may answer ARP on their own (qeth at layer 3)
	case l.Type() == "vlan":
		return below == nil || below.Attrs().RawFlags&unix.IFF_NOARP == 0
	}
	return true
}

// taking are the kinds of interfaces that take in all that arrives at their ports. A VRF
// does not.
var taking = []string{"bridge", "bond", "team", "openvswitch"}

// port makes a Port of what an interface is enslaved to, which may be nil.
func port(master netlink.Link) engine.Port {
	if master == nil || !slices.Contains(taking, master.Type()) {
		return engine.Port{}
	}
	return engine.Port{Kind: master.Type(), Name: master.Attrs().Name}
}
