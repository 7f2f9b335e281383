package rtnl

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// dropPriority is behind IPVS, which takes what it serves out of the same hook
// at 98 and 99: a virtual service on an address that accepts nothing else works.
const dropPriority = 110

// table is the nftables table of one instance.
func table(d vip.Drop) *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: "usher_vrrp_" + d.Instance}
}

// addDrop makes the whole table, in one transaction.
func (k *Kernel) addDrop(d vip.Drop) error {
	if _, there := findTable(d); there {
		return fs.ErrExist
	}
	nft, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	// The library numbers sets by a variable of its package, and workers work side by side.
	k.numbering.Lock()
	defer k.numbering.Unlock()
	t := nft.AddTable(table(d))
	chain := nft.AddChain(inputChain(t))
	for _, v6 := range []bool{false, true} {
		elements, err := elementsOf(d, v6)
		if err != nil {
			return err
		}
		if len(elements) == 0 {
			continue
		}
		set := setOf(t, v6)
		if err := nft.AddSet(set, elements); err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		for _, exprs := range rulesOn(set, v6) {
			nft.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: exprs})
		}
	}
	if err := nft.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return nil
}

// inputChain is the chain of an instance's table.
func inputChain(t *nftables.Table) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return &nftables.Chain{
		Name: "input", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput,
		Priority: nftables.ChainPriorityRef(dropPriority), Policy: &policy,
	}
}

// setOf is the set of an instance's addresses of one family.
func setOf(t *nftables.Table, v6 bool) *nftables.Set {
	if v6 {
		return &nftables.Set{Table: t, Name: "addresses6", KeyType: nftables.TypeIP6Addr}
	}
	return &nftables.Set{Table: t, Name: "addresses4", KeyType: nftables.TypeIPAddr}
}

// rulesOn are the rules about the addresses of one family.
func rulesOn(set *nftables.Set, v6 bool) (all [][]expr.Any) {
	match := matchDestination(set, v6)
	if v6 {
		// Router and neighbour solicitation and advertisement, and redirect
		// (types 133 to 137): without them nobody could reach the address at all.
		all = append(all, append(match[:len(match):len(match)], neighbourDiscovery()...))
	}
	return append(all, append(match[:len(match):len(match)], &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}))
}

// elementsOf gives the addresses of one family.
func elementsOf(d vip.Drop, v6 bool) (all []nftables.SetElement, err error) {
	for _, s := range strings.Fields(d.Addresses) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		if a.Is6() == v6 {
			all = append(all, nftables.SetElement{Key: a.AsSlice()})
		}
	}
	return all, nil
}

// matchDestination is `ip daddr @set`, for either family.
func matchDestination(set *nftables.Set, v6 bool) []expr.Any {
	proto, offset, size := byte(unix.NFPROTO_IPV4), uint32(16), uint32(4)
	if v6 {
		proto, offset, size = unix.NFPROTO_IPV6, 24, 16
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}
}

// neighbourDiscovery is `icmpv6 type 133-137 accept`.
func neighbourDiscovery() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_ICMPV6}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{133}, ToData: []byte{137}},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

func (k *Kernel) removeDrop(d vip.Drop) error {
	nft, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	k.mu.Lock()
	delete(k.drops, d)
	k.mu.Unlock()
	nft.DelTable(table(d))
	return nft.Flush()
}

// findTable gives an instance's table; nobody else makes one of that name. A kernel
// without nftables has none.
func findTable(d vip.Drop) (*nftables.Table, bool) {
	nft, err := nftables.New()
	if err != nil {
		return nil, false
	}
	all, err := nft.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, false
	}
	for _, t := range all {
		if t.Name == table(d).Name {
			return t, true
		}
	}
	return nil, false
}
