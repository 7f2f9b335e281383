// Package snat keeps the source NAT of fullnat services in an nftables table of
// usher's own: IPVS rewrites the destination, the packet filter the source, so
// that answers come back through the director from anywhere.
package snat

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"usher/director"
)

// Table is the name of the nftables table, of family inet.
const Table = "usher_fullnat"

// The chains of the table.
const (
	prerouting  = "prerouting"
	postrouting = "postrouting"
)

// Keeper keeps the table of this network namespace.
type Keeper struct{ mu sync.Mutex }

// New gives a Keeper. It touches nothing until Keep.
func New() *Keeper { return &Keeper{} }

// Keep makes rules the whole content of the table; it tells whether it had to
// change anything. The change is one transaction: at no time is there a part of it.
// Without rules the table stays, and what it takes for the kernel to go on translating
// the connections that it has.
func (k *Keeper) Keep(rules []director.SNATRule) (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, want, there, same, err := look(rules)
	if err != nil || there && same {
		return false, err
	}
	write(conn, want, there)
	if err := conn.Flush(); err != nil {
		return false, fmt.Errorf("snat: write the table %s: %w", Table, err)
	}
	return true, nil
}

// Remove removes the table, where it is there.
func (k *Keeper) Remove() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, _, there, _, err := look(nil)
	if err != nil || !there {
		return err
	}
	conn.DelTable(table())
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("snat: remove the table %s: %w", Table, err)
	}
	return nil
}

// Same tells whether rules are the whole content of the table; one that is not there
// has none. It changes nothing.
func (k *Keeper) Same(rules []director.SNATRule) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _, there, same, err := look(rules)
	return there && same || !there && len(rules) == 0, err
}

// look compares rules with the table.
func look(rules []director.SNATRule) (conn *nftables.Conn, want []rule, there, same bool, err error) {
	if conn, err = nftables.New(); err != nil {
		return nil, nil, false, false, fmt.Errorf("snat: open nftables: %w", err)
	}
	want = build(rules)
	have, there, err := read(conn)
	if err != nil {
		return nil, nil, false, false, fmt.Errorf("snat: read the table %s: %w", Table, err)
	}
	return conn, want, there, have == text(want), nil
}

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: Table}
}

// write queues the transaction that replaces the table.
func write(conn *nftables.Conn, want []rule, there bool) {
	t := table()
	if there {
		conn.DelTable(t)
	}
	conn.AddTable(t)
	byName := map[string]*nftables.Chain{}
	for _, c := range chains(t) {
		byName[c.Name] = conn.AddChain(c)
	}
	for _, r := range want {
		conn.AddRule(&nftables.Rule{
			Table: t, Chain: byName[r.chain], Exprs: r.exprs,
			UserData: userdata.AppendString(nil, userdata.TypeComment, r.comment),
		})
	}
}

// strange is how a table reads that lacks a chain or has another.
const strange = "other chains"

// read gives the table's rules as text gives them, and whether it is there at all.
func read(conn *nftables.Conn) (have string, there bool, err error) {
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", false, err
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == Table })
	if i < 0 {
		return "", false, nil
	}
	t := tables[i]
	listed, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return "", true, err
	}
	listed = slices.DeleteFunc(listed, func(c *nftables.Chain) bool { return c.Table.Name != Table })
	if len(listed) != len(chains(t)) {
		return strange, true, nil
	}
	var rules []rule
	for _, want := range chains(t) {
		if !slices.ContainsFunc(listed, func(c *nftables.Chain) bool { return same(c, want) }) {
			return strange, true, nil
		}
		got, err := conn.GetRules(t, want)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return "", true, err
		}
		for _, r := range got {
			comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			rules = append(rules, rule{chain: want.Name, comment: comment, exprs: r.Exprs})
		}
	}
	return text(rules), true, nil
}

func same(a, b *nftables.Chain) bool {
	return a.Name == b.Name && a.Type == b.Type && a.Hooknum != nil && *a.Hooknum == *b.Hooknum &&
		a.Priority != nil && *a.Priority == *b.Priority
}
