package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
	"usher/vrrp/vip"
)

// ifaProto is IFA_PROTO of linux/if_addr.h, which says who made an address.
const ifaProto = 11

// forever is a lifetime without end (INFINITY_LIFE_TIME).
const forever = math.MaxUint32

// address sends one request about an address. The interface is looked up again
// where it has been made anew meanwhile.
func (k *Kernel) address(kind, flags int, a vip.Address) error {
	if kind == unix.RTM_DELADDR {
		return k.removeAddress(a)
	}
	err := k.addressOnce(kind, flags, a)
	if errors.Is(err, unix.ENODEV) {
		k.forget(a.Link)
		err = k.addressOnce(kind, flags, a)
	}
	return err
}

// removeAddress removes an address from the interface that it was put on, which may
// have another name now.
func (k *Kernel) removeAddress(a vip.Address) error {
	index, known := k.placeOf(a, true)
	if !known {
		ifi, err := k.link(a.Link)
		if err != nil {
			return err
		}
		index = ifi.Index
	}
	err := k.conn.do(addressRequest(unix.RTM_DELADDR, 0, index, a))
	if err == nil || errors.Is(err, unix.EADDRNOTAVAIL) {
		k.added.note(place{index, a.Prefix}, false)
	}
	return err
}

func (k *Kernel) addressOnce(kind, flags int, a vip.Address) error {
	ifi, err := k.link(a.Link)
	if err != nil {
		return err
	}
	if index, known := k.placeOf(a, false); known && index != ifi.Index {
		// It went with its interface to another name; it must not be in two places.
		_ = k.conn.do(addressRequest(unix.RTM_DELADDR, 0, index, a)) // or is gone with it
	}
	if err = k.conn.do(addressRequest(kind, flags, ifi.Index, a)); err == nil {
		k.place(a, ifi.Index)
		k.added.note(place{ifi.Index, a.Prefix}, a.Lease == 0)
	}
	return err
}

func addressRequest(kind, flags, index int, a vip.Address) *nl.NetlinkRequest {
	ip := a.Prefix.Addr()
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	msg := nl.NewIfAddrmsg(family)
	msg.Prefixlen = uint8(a.Prefix.Bits())
	msg.Index = uint32(index)
	msg.Scope = a.Scope
	if ip.Is6() {
		// The address was chosen by people, and its last holder may still have
		// it for a moment: detection of duplicates would cost a second and
		// then refuse it (RFC 5798 says the same by its virtual MAC).
		msg.IfAddrmsg.Flags = unix.IFA_F_NODAD
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, ip.AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, ip.AsSlice()))
	if kind == unix.RTM_DELADDR {
		return req
	}
	if ip.Is4() {
		if b, ok := broadcast(a.Prefix); ok {
			req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, b.AsSlice()))
		}
		if a.Label != "" {
			req.AddData(nl.NewRtAttr(unix.IFA_LABEL, nl.ZeroTerminated(a.Label)))
		}
	}
	life := lifetime(a.Lease)
	cache := nl.IfaCacheInfo{IfaCacheinfo: unix.IfaCacheinfo{Prefered: life, Valid: life}}
	req.AddData(nl.NewRtAttr(unix.IFA_CACHEINFO, cache.Serialize()))
	req.AddData(nl.NewRtAttr(ifaProto, []byte{mark}))
	return req
}

// lifetime is a lease in the kernel's whole seconds, rounded up.
func lifetime(lease time.Duration) uint32 {
	if lease <= 0 {
		return forever
	}
	return uint32(min((lease+time.Second-1)/time.Second, forever-1))
}

// broadcast is the broadcast address of an IPv4 prefix; /31 and /32 have none (RFC 3021).
func broadcast(p netip.Prefix) (netip.Addr, bool) {
	if p.Bits() >= 31 {
		return netip.Addr{}, false
	}
	b := p.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|math.MaxUint32>>p.Bits())
	return netip.AddrFrom4(b), true
}

// Warm implements vip.Kernel: the loopback never has the address that it is
// asked to give up.
func (k *Kernel) Warm() {
	const loopback = 1
	nothing := vip.Address{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 32)}
	_ = k.conn.do(addressRequest(unix.RTM_DELADDR, 0, loopback, nothing)) // refused, as it shall be
}

// Addresses implements vip.Kernel.
func (k *Kernel) Addresses() ([]vip.Found, error) {
	found, err := k.readAddresses()
	if err != nil {
		return nil, err
	}
	all := make([]vip.Found, 0, len(found))
	names := map[int]string{}
	ifis, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, ifi := range ifis {
		names[ifi.Index] = ifi.Name
	}
	for at, f := range found {
		f.Address.Link = names[at.index]
		all = append(all, f)
	}
	return all, nil
}

// readAddresses reads every address of every interface. Those that usher is known to
// have put there are its own without a mark, too.
func (k *Kernel) readAddresses() (map[place]vip.Found, error) {
	if err := k.added.recall(); err != nil {
		return nil, err
	}
	all, err := readAddresses(k.lister.list)
	for at, f := range all {
		f.Ours = f.Ours || !f.Leased && k.added.has(at)
		all[at] = f
	}
	return all, err
}

// readAddresses reads every address of every interface.
func readAddresses(list list) (map[place]vip.Found, error) {
	msgs, err := dump.Read(func() ([][]byte, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
		return list(req, unix.RTM_NEWADDR)
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	all := make(map[place]vip.Found, len(msgs))
	for _, m := range msgs {
		f, index, err := parseAddress(m)
		if err != nil {
			return nil, err
		}
		all[place{int(index), f.Address.Prefix}] = f
	}
	return all, nil
}

// parseAddress reads an address message.
func parseAddress(m []byte) (f vip.Found, index uint32, err error) {
	if len(m) < unix.SizeofIfAddrmsg {
		return f, 0, fmt.Errorf("address message of %d bytes", len(m))
	}
	msg := nl.DeserializeIfAddrmsg(m)
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfAddrmsg:])
	if err != nil {
		return f, 0, err
	}
	var local, peer netip.Addr
	f.Address.Scope = msg.Scope
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_LABEL:
			f.Address.Label = unix.ByteSliceToString(a.Value)
		case unix.IFA_CACHEINFO:
			if len(a.Value) >= unix.SizeofIfaCacheinfo {
				if ci := nl.DeserializeIfaCacheInfo(a.Value); ci.Valid != forever {
					f.Leased, f.Address.Lease = true, time.Duration(ci.Valid)*time.Second
				}
			}
		case ifaProto:
			f.Ours = len(a.Value) == 1 && a.Value[0] == mark
		}
	}
	if !local.IsValid() {
		local = peer // IPv6 gives the address itself there
	}
	f.Address.Prefix = netip.PrefixFrom(local, int(msg.Prefixlen))
	return f, msg.Index, nil
}
