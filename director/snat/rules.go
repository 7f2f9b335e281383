package snat

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"usher/director"
)

// firstMark is the firewall mark of the first pool; each further pool has the
// next. Marks of services are small numbers that people choose.
const firstMark uint32 = 0x76000001

// rule is one nftables rule and the comment by which it is known again.
type rule struct {
	chain   string
	comment string
	exprs   []expr.Any
}

// hold has the kernel go on tracking connections, and so translating those that it has:
// it does so only while a rule asks for it. No packet carries this mark.
var hold = rule{chain: postrouting, comment: "for connections of before", exprs: []expr.Any{
	&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, equals(binaryutil.NativeEndian.PutUint32(firstMark - 1)), &expr.Masq{},
}}

// build gives the rules of the whole table. Services of the same local addresses, and
// with the same servers to except, share a mark; a service of a firewall mark has its
// mark already. Where nothing is to be translated any more, what was goes on.
func build(want []director.SNATRule) []rule {
	if len(want) == 0 {
		return []rule{hold}
	}
	var before, after []rule
	marks := map[string]uint32{}
	for _, w := range want {
		mark, family := w.Service.Mark, familyOf(w.Service.Is6())
		if mark == 0 {
			pool := fmt.Sprintf("%d %v %v", family, w.Pool, w.Except)
			known := false
			if mark, known = marks[pool]; !known {
				mark = firstMark + uint32(len(marks))
				marks[pool] = mark
				after = append(after, translate(w, mark, family)...)
			}
			before = append(before, rule{
				chain:   prerouting,
				comment: fmt.Sprintf("%s mark %#x", w.Service, mark),
				exprs:   slices.Concat(matchService(w, family), setMark(mark)),
			})
			continue
		}
		after = append(after, translate(w, mark, family)...)
	}
	return slices.Concat(before, after)
}

func familyOf(six bool) byte {
	if six {
		return unix.NFPROTO_IPV6
	}
	return unix.NFPROTO_IPV4
}

// equals compares register 1 with data.
func equals(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }

func matchFamily(family byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equals([]byte{family})}
}

// matchService matches what clients send to a service.
func matchService(w director.SNATRule, family byte) []expr.Any {
	out := append(matchFamily(family), matchDestination(w.Service.Address)...)
	out = append(out,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		equals([]byte{byte(w.Service.Protocol)}),
	)
	return append(out, matchPort(w.Service.Port)...)
}

func matchDestination(a netip.Addr) []expr.Any {
	// Where the destination address is in the header of either family.
	offset, length := uint32(16), uint32(4)
	if a.Is6() {
		offset, length = 24, 16
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		equals(a.AsSlice()),
	}
}

// matchPort matches the destination port, which is in the same place for every protocol
// of IPVS; 0 is every port.
func matchPort(port uint16) []expr.Any {
	if port == 0 {
		return nil
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		equals(binaryutil.BigEndian.PutUint16(port)),
	}
}

func setMark(mark uint32) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.NativeEndian.PutUint32(mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
	}
}

// translate gives the rules that change the source of what carries the mark: one
// for each part of the pool, which take turns at random. Not of what goes to a server
// that is excepted. And what still goes to an address of this machine, the VIP, is on
// its way to a server by dr: of the same service, or from before a reload.
func translate(w director.SNATRule, mark uint32, family byte) []rule {
	match := append(matchFamily(family), &expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, equals(binaryutil.NativeEndian.PutUint32(mark)),
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)})
	comment := fmt.Sprintf("mark %#x %s", mark, map[byte]string{unix.NFPROTO_IPV4: "ipv4", unix.NFPROTO_IPV6: "ipv6"}[family])
	var out []rule
	for _, server := range w.Except {
		out = append(out, rule{
			chain: postrouting, comment: fmt.Sprintf("%s not to %s", comment, server),
			exprs: slices.Concat(match, matchDestination(server.Addr()), matchPort(server.Port()), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}),
		})
	}
	pool := w.Pool
	if len(pool) == 0 {
		return append(out, rule{chain: postrouting, comment: comment + " masquerade", exprs: append(match, &expr.Masq{})})
	}
	for i, p := range pool {
		exprs := slices.Clone(match)
		turn := ""
		if left := len(pool) - i; left > 1 {
			turn = fmt.Sprintf(" 1 of %d", left)
			exprs = append(exprs,
				&expr.Numgen{Register: 1, Modulus: uint32(left), Type: unix.NFT_NG_RANDOM},
				equals(binaryutil.NativeEndian.PutUint32(0)))
		}
		from, to := bounds(p)
		nat := &expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(family), RegAddrMin: 1}
		exprs = append(exprs, &expr.Immediate{Register: 1, Data: from.AsSlice()})
		if from != to {
			exprs = append(exprs, &expr.Immediate{Register: 2, Data: to.AsSlice()})
			nat.RegAddrMax = 2
		}
		out = append(out, rule{
			chain:   postrouting,
			comment: fmt.Sprintf("%s snat %s%s", comment, p, turn),
			exprs:   append(exprs, nat),
		})
	}
	return out
}

// bounds gives the first and last address of a prefix.
func bounds(p netip.Prefix) (from, to netip.Addr) {
	from = p.Masked().Addr()
	last := from.AsSlice()
	for i := range last {
		if host := 8*(i+1) - p.Bits(); host > 0 {
			last[i] |= byte(1<<min(host, 8) - 1)
		}
	}
	to, _ = netip.AddrFromSlice(last)
	return from, to
}

// text is what two rule sets are compared by.
func text(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s: %s (%d)\n", r.chain, r.comment, len(r.exprs))
	}
	return b.String()
}

// chains are the hooks of the table. Packets are marked after connection tracking
// has seen them (-200) and translated where source addresses are.
func chains(t *nftables.Table) []*nftables.Chain {
	return []*nftables.Chain{
		{Name: prerouting, Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle},
		{Name: postrouting, Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource},
	}
}
