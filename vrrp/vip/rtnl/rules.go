package rtnl

import (
	"reflect"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/vip"
)

// seeDrop compares an instance's table with what it shall be, by all that it does.
// Nothing in it can have changed while the generation of all rules is the same.
func (v *view) seeDrop(d vip.Drop) vip.Sight {
	if v.rulesAsOf == 0 {
		v.rulesAsOf = generation()
	}
	v.k.mu.Lock()
	asOf := v.k.drops[d]
	v.k.mu.Unlock()
	if asOf != 0 && asOf == v.rulesAsOf {
		return vip.InPlace
	}
	t, there := findTable(d)
	if !there {
		return vip.Absent
	}
	if !wholeTable(t, d) {
		return vip.Differs
	}
	v.k.mu.Lock()
	v.k.drops[d] = v.rulesAsOf
	v.k.mu.Unlock()
	return vip.InPlace
}

// generation is a number that changes with each change of any rule; 0 where the
// kernel does not say.
func generation() uint32 {
	const attrID = 1 // NFTA_GEN_ID of linux/netfilter/nf_tables.h
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	msgs, err := req.Execute(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN)
	if err != nil || len(msgs) == 0 || len(msgs[0]) < nl.SizeofNfgenmsg {
		return 0
	}
	attrs, err := nl.ParseRouteAttr(msgs[0][nl.SizeofNfgenmsg:])
	if err != nil {
		return 0
	}
	for _, a := range attrs {
		if a.Attr.Type == attrID && len(a.Value) == 4 {
			return uint32(a.Value[0])<<24 | uint32(a.Value[1])<<16 | uint32(a.Value[2])<<8 | uint32(a.Value[3])
		}
	}
	return 0
}

// wholeTable says whether a table has everything that it shall have, and nothing else.
func wholeTable(t *nftables.Table, d vip.Drop) bool {
	const dormant = 1 // NFT_TABLE_F_DORMANT: its chains are not used
	nft, err := nftables.New()
	if err != nil || t.Flags&dormant != 0 {
		return false
	}
	want := inputChain(t)
	chain, err := nft.ListChain(t, want.Name)
	if err != nil || chain.Hooknum == nil || *chain.Hooknum != *want.Hooknum || chain.Priority == nil || *chain.Priority != *want.Priority ||
		chain.Type != want.Type || chain.Policy == nil || *chain.Policy != *want.Policy {
		return false
	}
	var rules [][]expr.Any
	for _, v6 := range []bool{false, true} {
		elements, err := elementsOf(d, v6)
		if err != nil {
			return false
		}
		if len(elements) == 0 {
			continue
		}
		set := setOf(t, v6)
		have, err := nft.GetSetElements(set)
		if err != nil || !slices.Equal(keys(have), keys(elements)) {
			return false
		}
		rules = append(rules, rulesOn(set, v6)...)
	}
	have, err := nft.GetRules(t, chain)
	return err == nil && slices.EqualFunc(have, rules, func(r *nftables.Rule, want []expr.Any) bool {
		return slices.EqualFunc(r.Exprs, want, sameExpr)
	})
}

// keys gives the elements of a set, sorted.
func keys(elements []nftables.SetElement) (all []string) {
	for _, e := range elements {
		all = append(all, string(e.Key))
	}
	slices.Sort(all)
	return all
}

// sameExpr says whether two expressions do the same: counters count, and the number
// of a set is of one transaction.
func sameExpr(a, b expr.Any) bool {
	if _, counts := a.(*expr.Counter); counts {
		_, counts = b.(*expr.Counter)
		return counts
	}
	x, ok1 := a.(*expr.Lookup)
	y, ok2 := b.(*expr.Lookup)
	if ok1 && ok2 {
		return x.SetName == y.SetName && x.SourceRegister == y.SourceRegister && x.Invert == y.Invert
	}
	return reflect.DeepEqual(a, b)
}
