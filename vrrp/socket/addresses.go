package socket

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/dump"
	"usher/vrrp/engine"
)

// What the library does not read of an address: who made it (IFA_PROTO of
// linux/if_addr.h, since Linux 5.18), which for usher's is the protocol number of VRRP.
const (
	ifaProto = 11
	mark     = 112
)

// forever is a lifetime without end (INFINITY_LIFE_TIME).
const forever = math.MaxUint32

// address is an address as the kernel lists it.
type address struct {
	vrrp.LocalAddress
	index  int
	usable bool // as a source
}

// readAddresses gives the addresses of all interfaces of this network namespace, in
// the kernel's order.
func readAddresses() ([]address, error) {
	msgs, err := dump.Latest(func() ([][]byte, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
		return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
	})
	if err != nil {
		return nil, fmt.Errorf("vrrp: list addresses: %w", err)
	}
	all := make([]address, 0, len(msgs))
	for _, m := range msgs {
		a, err := parseAddress(m)
		if err != nil {
			return nil, fmt.Errorf("vrrp: list addresses: %w", err)
		}
		if ip := a.Prefix.Addr(); a.Prefix.IsValid() && ip != vrrp.StandIn(ip.Is6()) {
			all = append(all, a)
		}
	}
	return all, nil
}

// parseAddress reads an RTM_NEWADDR message.
func parseAddress(m []byte) (a address, err error) {
	if len(m) < unix.SizeofIfAddrmsg {
		return a, fmt.Errorf("address message of %d bytes", len(m))
	}
	msg := nl.DeserializeIfAddrmsg(m)
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfAddrmsg:])
	if err != nil {
		return a, err
	}
	flags := uint32(msg.Flags)
	var local, peer netip.Addr
	for _, attr := range attrs {
		switch attr.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(attr.Value)
		case unix.IFA_FLAGS:
			if len(attr.Value) >= 4 {
				flags = nl.NativeEndian().Uint32(attr.Value)
			}
		case unix.IFA_CACHEINFO:
			if len(attr.Value) < unix.SizeofIfaCacheinfo {
				continue
			}
			if info := nl.DeserializeIfaCacheInfo(attr.Value); info.Valid != forever {
				a.Lifetime = max(time.Duration(info.Valid)*time.Second, 1) // the kernel counts down to 0
			}
		case ifaProto:
			a.Marked = len(attr.Value) == 1 && attr.Value[0] == mark
		}
	}
	if !local.IsValid() {
		local = peer // IPv6 gives the address itself there
	}
	a.index, a.usable = int(msg.Index), usable(int(flags))
	a.Prefix = netip.PrefixFrom(local, int(msg.Prefixlen))
	return a, nil
}

// put adds an address to its interface.
func (a address) put(l *engine.Link) {
	if a.usable {
		l.Addresses = append(l.Addresses, a.Prefix.Addr())
	}
	switch {
	case a.Marked:
		l.Marked = append(l.Marked, a.Prefix)
	case a.Lasting():
		l.Lasting = append(l.Lasting, a.Prefix)
	}
}
