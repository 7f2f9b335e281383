package snat

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rule is one nftables rule; the comment is for people.
type rule struct {
	comment string
	exprs   []expr.Any
}

// Registers by the numbers with which the kernel shows them. register is of 128 bits;
// the others are the 32 bits that follow so many words after its begin.
const (
	register uint32 = 1
	word1    uint32 = unix.NFT_REG32_01
)

var families = [...]family{
	{number: unix.NFPROTO_IPV4, digit: "4", address: nftables.TypeIPAddr, offset: 16},
	{number: unix.NFPROTO_IPV6, digit: "6", address: nftables.TypeIP6Addr, offset: 24},
}

func familyOf(six bool) *family {
	if six {
		return &families[1]
	}
	return &families[0]
}

// behind gives the registers of the two words after an address that is at word (0 or 1).
func (f *family) behind(word uint32) [2]uint32 {
	// Register numbers go in steps of 32 bits from NFT_REG32_00 on.
	next := unix.NFT_REG32_00 + word + f.address.Bytes/4
	return [2]uint32{shown(next), shown(next + 1)}
}

// shown is a register's number as the kernel shows it: one that begins 128 bits by theirs.
func shown(word uint32) uint32 {
	if n := word - unix.NFT_REG32_00; n%4 == 0 {
		return 1 + n/4
	}
	return word
}

// write gives the rules for the sets that there are.
func (r *ruleset) write() {
	var before, after []rule
	for i := range families {
		f := &families[i]
		// What a service of every port marks, one of that port marks again.
		if r.sets[addresses+f.digit] != nil {
			before = append(before, rule{"services of every port", slices.Concat(f.match(), f.destination(register),
				[]expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: f.behind(0)[0]}}, lookUp(addresses+f.digit), setMark)})
		}
		if r.sets[services+f.digit] != nil {
			before = append(before, rule{"services", slices.Concat(f.match(), f.destination(register),
				[]expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: f.behind(0)[0]}, destinationPort(f.behind(0)[1])},
				lookUp(services+f.digit), setMark)})
		}
		after = append(after, r.translations(f)...)
	}
	if len(after) == 0 {
		r.rules[postrouting] = []rule{hold}
		return
	}
	r.rules[prerouting], r.rules[postrouting] = before, append([]rule{local}, after...)
}

// translations gives the rules that change the source of what is marked.
func (r *ruleset) translations(f *family) []rule {
	var rules []rule
	add := func(comment string, exprs ...[]expr.Any) {
		rules = append(rules, rule{comment, slices.Concat(append([][]expr.Any{f.match(), {mark}}, exprs...)...)})
	}
	if name := exceptHosts + f.digit; r.sets[name] != nil {
		add("servers that see clients", f.destination(word1), contained(name), leave)
	}
	if name := excepted + f.digit; r.sets[name] != nil {
		add("servers that see clients", f.destination(word1), []expr.Any{destinationPort(f.behind(1)[0])}, contained(name), leave)
	}
	if name := masquerade + f.digit; r.sets[name] != nil {
		add("the director's own address", contained(name), []expr.Any{&expr.Masq{}})
	}
	if name := pools + f.digit; r.sets[name] != nil {
		// The verdict that the map gives is done by looking it up.
		add("local addresses", []expr.Any{&expr.Lookup{SourceRegister: register, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: name}})
	}
	return rules
}

// addresses gives the rules that translate to local addresses, each part of them as often
// as any other, at random.
func (f *family) addresses(pool []netip.Prefix) []rule {
	rules := make([]rule, 0, len(pool))
	for i, p := range pool {
		var exprs []expr.Any
		if left := len(pool) - i; left > 1 {
			exprs = []expr.Any{&expr.Numgen{Register: register, Modulus: uint32(left), Type: unix.NFT_NG_RANDOM},
				equals(binaryutil.NativeEndian.PutUint32(0))}
		}
		from, to := bounds(p)
		nat := &expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(f.number), RegAddrMin: register, RegAddrMax: register}
		exprs = append(exprs, &expr.Immediate{Register: register, Data: from.AsSlice()})
		if from != to {
			nat.RegAddrMax = 2 // the next 128 bits
			exprs = append(exprs, &expr.Immediate{Register: nat.RegAddrMax, Data: to.AsSlice()})
		}
		rules = append(rules, rule{p.String(), append(exprs, nat)})
	}
	return rules
}

// match matches the family.
func (f *family) match() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equals([]byte{f.number})}
}

// destination loads the destination address.
func (f *family) destination(to uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: to, Base: expr.PayloadBaseNetworkHeader, Offset: f.offset, Len: f.address.Bytes}}
}

// destinationPort loads the destination port, which is in the same place for every
// protocol of IPVS.
func destinationPort(to uint32) expr.Any {
	return &expr.Payload{DestRegister: to, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
}

// equals compares the register with data.
func equals(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

// contained matches what a set has.
func contained(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: register, SetName: set}}
}

// lookUp replaces what is in a register by what a map says of it, and matches nothing where it says nothing.
func lookUp(set string) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: register, DestRegister: register, IsDestRegSet: true, SetName: set}}
}

var (
	mark    expr.Any = &expr.Meta{Key: expr.MetaKeyMARK, Register: register}
	setMark          = []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: register}}
	leave            = []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}

	// local leaves alone what still goes to an address of this machine, the VIP: it is on
	// its way to a server by dr, of the same service, or from before a reload.
	local = rule{"servers by dr", slices.Concat([]expr.Any{&expr.Fib{Register: register, FlagDADDR: true, ResultADDRTYPE: true},
		equals(binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL))}, leave)}

	// hold has the kernel go on tracking connections, and so translating those that it
	// has: it does so only while a rule asks for it.
	hold = rule{"for connections of before", []expr.Any{mark, equals(binaryutil.NativeEndian.PutUint32(marks)), &expr.Masq{}}}
)

// chains are the hooks of the table. Packets are marked after connection tracking
// has seen them (-200) and translated where source addresses are.
func chains(t *nftables.Table) []*nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return []*nftables.Chain{
		{Name: prerouting, Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle, Policy: &accept},
		{Name: postrouting, Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource, Policy: &accept},
	}
}
