package filter

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Table is the name of the nftables table, of family inet.
const Table = "usher_announce"

// behind is the priority of the chain in the hook input. IPVS takes what it has a service or
// a connection for at 98 and 99 (NF_IP_PRI_NAT_SRC - 2 and - 1 in net/netfilter/ipvs), and
// it comes no further.
const behind = 200

// Filter keeps the table of this network namespace.
type Filter struct{ mu sync.Mutex }

// New gives a Filter. It touches nothing until Keep.
func New() *Filter { return &Filter{} }

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: Table}
}

// family is what differs between IPv4 and IPv6.
type family struct {
	name     string
	number   byte
	kind     nftables.SetDatatype
	offset   uint32 // of the destination address
	icmp     byte
	contains func(netip.Addr) bool
}

var families = [...]family{
	{"addresses4", unix.NFPROTO_IPV4, nftables.TypeIPAddr, 16, unix.IPPROTO_ICMP, netip.Addr.Is4},
	{"addresses6", unix.NFPROTO_IPV6, nftables.TypeIP6Addr, 24, unix.IPPROTO_ICMPV6, netip.Addr.Is6},
}

// Keep makes these all of the addresses; with none the table goes. Rules and counter stay as
// they are while addresses come and go.
func (f *Filter) Keep(want []netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	conn, there, err := open()
	if err != nil {
		return err
	}
	whole := there && complete(conn)
	switch {
	case !there && len(want) == 0:
		return nil
	case there && (len(want) == 0 || !whole):
		conn.DelTable(table())
	}
	if len(want) > 0 {
		if !whole {
			if err := make4and6(conn); err != nil {
				return err
			}
		}
		for i := range families {
			if err := families[i].elements(conn, want, whole); err != nil {
				return err
			}
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("write the nftables table %s: %w", Table, err)
	}
	return nil
}

// open opens nftables, and says whether the table is there.
func open() (conn *nftables.Conn, there bool, err error) {
	if conn, err = nftables.New(); err != nil {
		return nil, false, fmt.Errorf("open nftables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, false, fmt.Errorf("list nftables tables: %w", err)
	}
	return conn, slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == Table }), nil
}

// complete says whether the table has its two rules and two sets; somebody may have flushed it.
func complete(conn *nftables.Conn) bool {
	rules, err := conn.GetRules(table(), chain())
	if err != nil || len(rules) != len(families) {
		return false
	}
	for i := range families {
		if _, err := conn.GetSetByName(table(), families[i].name); err != nil {
			return false
		}
	}
	return true
}

func chain() *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return &nftables.Chain{
		Name: "input", Table: table(), Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput,
		Priority: nftables.ChainPriorityRef(behind), Policy: &policy,
	}
}

// make4and6 makes the table with a set and a rule for each family.
func make4and6(conn *nftables.Conn) error {
	conn.AddTable(table())
	c := conn.AddChain(chain())
	for i := range families {
		fam := &families[i]
		if err := conn.AddSet(fam.set(), nil); err != nil {
			return fmt.Errorf("set %s: %w", fam.name, err)
		}
		conn.AddRule(&nftables.Rule{Table: table(), Chain: c, Exprs: fam.drop()})
	}
	return nil
}

func (fam *family) set() *nftables.Set {
	return &nftables.Set{Table: table(), Name: fam.name, KeyType: fam.kind}
}

// drop is the rule: what comes from outside for an address of the set is counted and
// dropped. ICMP is not: this machine ignores errors of connections that it does not have, and
// people ping addresses.
func (fam *family) drop() []expr.Any {
	compare := func(op expr.CmpOp, data ...byte) expr.Any { return &expr.Cmp{Op: op, Register: 1, Data: data} }
	lo := append([]byte("lo"), make([]byte, unix.IFNAMSIZ-2)...)
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, compare(expr.CmpOpEq, fam.number),
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, compare(expr.CmpOpNeq, lo...),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, compare(expr.CmpOpNeq, fam.icmp),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: fam.offset, Len: fam.kind.Bytes},
		&expr.Lookup{SourceRegister: 1, SetName: fam.name},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

// elements makes the addresses of the family all that its set has.
func (fam *family) elements(conn *nftables.Conn, want []netip.Prefix, there bool) error {
	have := map[netip.Addr]bool{}
	if there {
		found, err := conn.GetSetElements(fam.set())
		if err != nil {
			return fmt.Errorf("read the set %s: %w", fam.name, err)
		}
		for _, e := range found {
			if ip, ok := netip.AddrFromSlice(e.Key); ok {
				have[ip] = true
			}
		}
	}
	var in, out []nftables.SetElement
	for _, p := range want {
		if ip := p.Addr(); fam.contains(ip) {
			if !have[ip] {
				in = append(in, nftables.SetElement{Key: ip.AsSlice()})
			}
			delete(have, ip)
		}
	}
	for ip := range have {
		out = append(out, nftables.SetElement{Key: ip.AsSlice()})
	}
	if len(in) > 0 {
		if err := conn.SetAddElements(fam.set(), in); err != nil {
			return fmt.Errorf("set %s: %w", fam.name, err)
		}
	}
	if len(out) > 0 {
		if err := conn.SetDeleteElements(fam.set(), out); err != nil {
			return fmt.Errorf("set %s: %w", fam.name, err)
		}
	}
	return nil
}

// Unclaimed is how many packets were dropped since the table was made; 0 where it is not there.
func (f *Filter) Unclaimed() (packets uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	conn, there, err := open()
	if err != nil || !there {
		return 0, err
	}
	rules, err := conn.GetRules(table(), chain())
	if err != nil {
		return 0, fmt.Errorf("read the nftables table %s: %w", Table, err)
	}
	for _, r := range rules {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				packets += c.Packets
			}
		}
	}
	return packets, nil
}
