package rtnl

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"usher/vrrp/hold"
)

// dropPriority is behind IPVS, which takes what it serves out of the same hook
// at 98 and 99: a virtual service on an address that accepts nothing else works.
const dropPriority = 110

// table is the nftables table of one instance.
func table(d hold.Drop) *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: "usher_vrrp_" + d.Instance}
}

// addDrop makes the whole table, in one transaction.
func (k *Kernel) addDrop(d hold.Drop) error {
	if there, err := k.hasDrop(d); err != nil || there {
		return cmp.Or(err, error(fs.ErrExist))
	}
	nft, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	t := nft.AddTable(table(d))
	policy := nftables.ChainPolicyAccept
	chain := nft.AddChain(&nftables.Chain{
		Name: "input", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput,
		Priority: nftables.ChainPriorityRef(dropPriority), Policy: &policy,
	})
	for _, v6 := range []bool{false, true} {
		elements, err := elementsOf(d, v6)
		if err != nil {
			return err
		}
		if len(elements) == 0 {
			continue
		}
		set := &nftables.Set{Table: t, Name: "addresses4", KeyType: nftables.TypeIPAddr}
		if v6 {
			set = &nftables.Set{Table: t, Name: "addresses6", KeyType: nftables.TypeIP6Addr}
		}
		if err := nft.AddSet(set, elements); err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		match := matchDestination(set, v6)
		if v6 {
			// Router and neighbour solicitation and advertisement, and redirect
			// (types 133 to 137): without them nobody could reach the address at all.
			nft.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: append(match[:len(match):len(match)], neighbourDiscovery()...)})
		}
		nft.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: append(match[:len(match):len(match)], &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})})
	}
	if err := nft.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	return nil
}

// elementsOf gives the addresses of one family.
func elementsOf(d hold.Drop, v6 bool) (all []nftables.SetElement, err error) {
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

func (k *Kernel) removeDrop(d hold.Drop) error {
	nft, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	nft.DelTable(table(d))
	return nft.Flush()
}

// hasDrop says whether the table is there; nobody else makes one of that name.
func (k *Kernel) hasDrop(d hold.Drop) (bool, error) {
	nft, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("nftables: %w", err)
	}
	all, err := nft.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, nil // a kernel without nftables has no table either
	}
	for _, t := range all {
		if t.Name == table(d).Name {
			return true, nil
		}
	}
	return false, nil
}
