package snat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// found is what the kernel has.
type found struct {
	there bool // the table is
	// foreign is set where it is not a table of ours with other elements: its chains, or
	// what its sets hold, are others.
	foreign bool
	chains  map[string]bool // those of pools, and the hooks
	sets    map[string]bool
	// elements are those of the sets that are wanted too.
	elements map[string]map[string]string
	rules    map[string][][]part
}

// part is an expression of a rule as the kernel shows it, by its name in nftables.
type part struct {
	name string
	data []byte
}

// read gives what the kernel has, compared with what is wanted.
func read(conn *nftables.Conn, want ruleset) (f found, err error) {
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return f, err
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == Table })
	if i < 0 {
		return f, nil
	}
	f.there = true
	if tables[i].Flags != 0 { // asleep, or bound to another program
		f.foreign = true
		return f, nil
	}
	if err := f.readChains(conn); err != nil || f.foreign {
		return f, err
	}
	if err := f.readSets(conn, want); err != nil || f.foreign {
		return f, err
	}
	f.rules, err = readRules()
	return f, err
}

// hooks are the chains that see packets by themselves.
var hooks = map[string]bool{prerouting: true, postrouting: true}

// readChains reads the chains. Hooks that are others, or do otherwise, than ours are strange.
func (f *found) readChains(conn *nftables.Conn) error {
	listed, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return err
	}
	f.chains = map[string]bool{}
	seen := 0
	for _, c := range listed {
		if c.Table.Name != Table {
			continue
		}
		f.chains[c.Name] = true
		if c.Hooknum == nil && !hooks[c.Name] {
			continue
		}
		seen++
		f.foreign = f.foreign || !slices.ContainsFunc(chains(table()), func(want *nftables.Chain) bool {
			return c.Name == want.Name && c.Type == want.Type && c.Hooknum != nil && *c.Hooknum == *want.Hooknum &&
				c.Priority != nil && *c.Priority == *want.Priority && c.Policy != nil && *c.Policy == *want.Policy
		})
	}
	f.foreign = f.foreign || seen != len(hooks)
	return nil
}

// readSets reads the sets, and the elements of those that are wanted.
func (f *found) readSets(conn *nftables.Conn, want ruleset) error {
	sets, err := conn.GetSets(table())
	if err != nil { // also of a type that the library does not know: no set of ours
		f.foreign = true
		return nil
	}
	f.sets, f.elements = map[string]bool{}, map[string]map[string]string{}
	for _, s := range sets {
		f.sets[s.Name] = true
		w := want.sets[s.Name]
		if w == nil {
			continue
		}
		if !w.like(s) {
			f.foreign = true
			return nil
		}
		elements, err := conn.GetSetElements(s)
		if err != nil {
			return fmt.Errorf("elements of %s: %w", s.Name, err)
		}
		f.elements[s.Name] = make(map[string]string, len(elements))
		for _, e := range elements {
			f.elements[s.Name][string(e.Key)] = w.shown(e.Val)
		}
	}
	return nil
}

// like tells whether the kernel's set is of the same kind.
func (s *set) like(is *nftables.Set) bool {
	want := s.definition()
	if s.value == nftables.TypeVerdict { // the library has it for the key's type
		want.KeyType, want.DataType = is.KeyType, is.DataType
	}
	return is.IsMap == want.IsMap && is.KeyType == want.KeyType && is.DataType == want.DataType &&
		!is.Interval && !is.HasTimeout && !is.Dynamic && !is.Constant && !is.Concatenation && is.Size == 0
}

// shown gives an element's value as a set of ours has it.
func (s *set) shown(value []byte) string {
	if s.value != nftables.TypeVerdict {
		return string(value)
	}
	ad, err := netlink.NewAttributeDecoder(value)
	if err != nil {
		return ""
	}
	ad.ByteOrder = binary.BigEndian
	chain := ""
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			if int32(ad.Uint32()) != unix.NFT_GOTO {
				return ""
			}
		case unix.NFTA_VERDICT_CHAIN:
			chain = ad.String()
		}
	}
	return chain
}

// definition gives the set as the kernel is asked for it.
func (s *set) definition() *nftables.Set {
	key, _ := nftables.ConcatSetType(s.key...) // at most three: it cannot fail
	// Without an ID of ours the library would number it by a variable of its package.
	d := &nftables.Set{Table: table(), Name: s.name, ID: crc32.ChecksumIEEE([]byte(s.name)) | 1, KeyType: key, DataType: s.value, IsMap: s.value.Name != ""}
	if len(s.key) == 1 {
		d.KeyByteOrder = binaryutil.NativeEndian // for nft(8) alone
	}
	return d
}

// readRules gives the rules of each chain. An expression that the library does not know
// is among them, which its own reading leaves out.
func readRules() (map[string][][]part, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	name, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_RULE_TABLE, Data: []byte(Table + "\x00")}})
	if err != nil {
		return nil, err
	}
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, name...), // struct nfgenmsg
	})
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	rules := map[string][][]part{}
	for _, m := range replies {
		chain, parts, err := decodeRule(m.Data)
		if err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
		rules[chain] = append(rules[chain], parts)
	}
	return rules, nil
}

func decodeRule(data []byte) (chain string, parts []part, err error) {
	if len(data) < 4 {
		return "", nil, errors.New("a message without its head")
	}
	attributes, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return "", nil, err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NFTA_RULE_CHAIN:
			chain = attributes.String()
		case unix.NFTA_RULE_EXPRESSIONS:
			attributes.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					var p part
					list.Nested(p.decode)
					parts = append(parts, p)
				}
				return nil
			})
		}
	}
	return chain, parts, attributes.Err()
}

func (p *part) decode(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			p.name = ad.String()
		case unix.NFTA_EXPR_DATA:
			p.data = ad.Bytes()
		}
	}
	return nil
}

// does tells whether the kernel's rules are those.
func does(is [][]part, want []rule) bool {
	return slices.EqualFunc(is, want, func(is []part, want rule) bool {
		return slices.EqualFunc(is, want.exprs, part.is)
	})
}

// is tells whether the kernel's expression does the same.
func (p part) is(want expr.Any) bool {
	if p.name != nameOf(want) {
		return false
	}
	got, ok := reflect.New(reflect.TypeOf(want).Elem()).Interface().(expr.Any)
	if !ok || expr.Unmarshal(unix.NFPROTO_INET, p.data, got) != nil {
		return false
	}
	return reflect.DeepEqual(got, want)
}

// nameOf gives an expression's name in nftables.
func nameOf(e expr.Any) string {
	data, err := expr.Marshal(unix.NFPROTO_INET, e)
	if err != nil {
		return ""
	}
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return ""
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		if ad.Type() == unix.NFTA_EXPR_NAME {
			return ad.String()
		}
	}
	return ""
}
