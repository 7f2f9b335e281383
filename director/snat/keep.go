// Package snat keeps the source NAT of fullnat services in an nftables table of
// usher's own: IPVS rewrites the destination, the packet filter the source, so
// that answers come back through the director from anywhere.
//
//	keeper := snat.New()
//	changed, err := keeper.Keep(rules) // level-triggered: what differs is written
package snat

import (
	"fmt"
	"sync"

	"github.com/google/nftables"

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

// Keep makes rules the whole content of the table; it tells whether it had to change
// anything. Only what differs is written, in one transaction where that is less than two
// thousand elements; in several else, in whose course no packet is marked without its
// mark's translation. Without rules the table stays, and what it takes for the kernel to
// go on translating the connections that it has.
func (k *Keeper) Keep(rules []director.SNATRule) (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, f, want, err := look(rules)
	if err != nil {
		return false, err
	}
	p := compare(f, want)
	if p.empty() {
		return false, nil
	}
	if err := write(conn, p, want, f.there); err != nil {
		return false, fmt.Errorf("snat: write the table %s: %w", Table, err)
	}
	return true, nil
}

// Remove removes the table, where it is there.
func (k *Keeper) Remove() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	conn, f, _, err := look(nil)
	if err != nil || !f.there {
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
	_, f, want, err := look(rules)
	if err != nil || !f.there {
		return len(rules) == 0, err
	}
	return compare(f, want).empty(), nil
}

// look reads the table beside what rules ask for.
func look(rules []director.SNATRule) (conn *nftables.Conn, f found, want ruleset, err error) {
	if conn, err = nftables.New(); err != nil {
		return nil, f, want, fmt.Errorf("snat: open nftables: %w", err)
	}
	want = build(rules)
	if f, err = read(conn, want); err != nil {
		return nil, f, want, fmt.Errorf("snat: read the table %s: %w", Table, err)
	}
	return conn, f, want, nil
}

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: Table}
}
