package snat

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

// The kernel takes a transaction as one message that fits the socket's send buffer
// (net.core.wmem_default is 208 KiB), and a list of elements as one attribute of 64 KiB
// at the most. The longest element takes 64 bytes. It answers each request, and a new rule
// twice, into a receive buffer of the same size, where an answer takes some 1 KiB.
const (
	perTransaction = 2000 // elements that a transaction changes
	perMessage     = 500
	perAnswers     = 64 // requests of a transaction
)

// transactions are the requests of a plan, in as few transactions as they fit.
type transactions struct {
	conn               *nftables.Conn
	requests, elements int // of the one that is being put together
}

// fit begins a new transaction where the next requests do not fit this one any more.
func (t *transactions) fit(requests, elements int) error {
	if t.requests > 0 && (t.requests+requests > perAnswers || t.elements+elements > perTransaction) {
		if err := t.conn.Flush(); err != nil {
			return err
		}
		t.requests, t.elements = 0, 0
	}
	t.requests += requests
	t.elements += elements
	return nil
}

// change is one element that is other than wanted.
type change struct {
	set      string
	key      string
	value    string
	old, new bool // it is there with another value, or is not wanted; it is wanted
}

// plan is what makes the kernel's table the wanted one.
type plan struct {
	// remake is set where the table is made from nothing.
	remake bool
	sets   []string        // to be made, in order
	made   map[string]bool // those of chains that are not there
	chains []string        // whose rules are written, those of pools first
	grow   []change        // elements that are added or get another value, in order
	shrink []change        // elements that go
	gone   []string        // sets that go
	unused []string        // chains that go
}

func (p plan) empty() bool {
	return !p.remake && len(p.sets)+len(p.chains)+len(p.grow)+len(p.shrink)+len(p.gone)+len(p.unused) == 0
}

// compare plans from what the kernel has to what is wanted. Where there is to be no table
// nothing is asked of one that there is.
func compare(f found, want ruleset) plan {
	p := plan{remake: !f.there || f.foreign, made: map[string]bool{}}
	if p.remake {
		f = found{}
	}
	// A service is marked only once there is what its mark asks for, and the other way round.
	for _, name := range inOrder(want.sets) {
		if !f.sets[name] {
			p.sets = append(p.sets, name)
		}
		grow, shrink := elements(name, f.elements[name], want.sets[name].elements)
		p.grow, p.shrink = append(p.grow, grow...), append(shrink, p.shrink...)
	}
	for _, name := range slices.Sorted(maps.Keys(f.sets)) {
		if want.sets[name] == nil {
			p.gone = append(p.gone, name)
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(want.rules)) {
		if !hooks[chain] {
			p.chain(chain, f, want)
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(f.chains)) {
		if _, wanted := want.rules[chain]; !wanted && !hooks[chain] {
			p.unused = append(p.unused, chain)
		}
	}
	for _, chain := range []string{postrouting, prerouting} {
		p.chain(chain, f, want)
	}
	return p
}

// chain plans one chain.
func (p *plan) chain(name string, f found, want ruleset) {
	if !f.chains[name] && !hooks[name] {
		p.made[name] = true
	}
	// What goes must not be named any more, also by what somebody added.
	going := hooks[name] && len(p.gone)+len(p.unused) > 0
	if p.remake || going || !does(f.rules[name], want.rules[name]) {
		p.chains = append(p.chains, name)
	}
}

// inOrder gives the names of the sets, those that mark packets last.
func inOrder(sets map[string]*set) []string {
	marks := func(name string) bool { return sets[name].value == nftables.TypeMark }
	names := slices.Sorted(maps.Keys(sets))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case marks(a) == marks(b):
			return 0
		case marks(a):
			return 1
		}
		return -1
	})
	return names
}

// elements compares those of one set.
func elements(set string, have, want map[string]string) (grow, shrink []change) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if is, there := have[key]; !there || is != want[key] {
			grow = append(grow, change{set: set, key: key, value: want[key], old: there, new: true})
		}
	}
	for key := range have {
		if _, wanted := want[key]; !wanted {
			shrink = append(shrink, change{set: set, key: key, old: true})
		}
	}
	slices.SortFunc(shrink, func(a, b change) int { return cmp.Compare(a.key, b.key) })
	return grow, shrink
}

// write does a plan, in as few transactions as it needs. What is added comes in the order
// in which it is used, and what takes something away comes last.
func write(conn *nftables.Conn, p plan, want ruleset, there bool) error {
	t := &transactions{conn: conn}
	if p.remake {
		if there {
			conn.DelTable(table())
		}
		conn.AddTable(table())
		for _, c := range chains(table()) {
			conn.AddChain(c)
		}
		t.requests = 4
	}
	for _, name := range p.sets {
		if err := t.fit(1, 0); err != nil {
			return err
		}
		if err := conn.AddSet(want.sets[name].definition(), nil); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	if err := p.rules(t, want); err != nil {
		return err
	}
	if err := queue(t, slices.Concat(p.grow, p.shrink), want); err != nil {
		return err
	}
	for _, name := range p.gone {
		if err := t.fit(1, 0); err != nil {
			return err
		}
		conn.DelSet(&nftables.Set{Table: table(), Name: name})
	}
	for _, name := range p.unused {
		if err := t.fit(1, 0); err != nil {
			return err
		}
		conn.DelChain(&nftables.Chain{Name: name, Table: table()})
	}
	return conn.Flush()
}

// rules makes and fills chains.
func (p plan) rules(t *transactions, want ruleset) error {
	for _, name := range p.chains {
		rules := want.rules[name]
		if err := t.fit(1+len(rules), 0); err != nil {
			return err
		}
		chain := &nftables.Chain{Name: name, Table: table()}
		if p.made[name] {
			t.conn.AddChain(chain)
		} else if !p.remake {
			t.conn.FlushChain(chain)
		}
		for _, r := range rules {
			t.conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: r.exprs,
				UserData: userdata.AppendString(nil, userdata.TypeComment, r.comment)})
		}
	}
	return nil
}

// queue has elements changed. One gets another value by going and coming, at once.
func queue(t *transactions, changes []change, want ruleset) error {
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && n < perMessage && changes[n].set == changes[0].set {
			n++
		}
		if err := t.fit(2, n); err != nil {
			return err
		}
		s := &nftables.Set{Table: table(), Name: changes[0].set}
		var out, in []nftables.SetElement
		for _, c := range changes[:n] {
			if c.old {
				out = append(out, nftables.SetElement{Key: []byte(c.key)})
			}
			if c.new {
				in = append(in, want.sets[c.set].element(c.key, c.value))
			}
		}
		changes = changes[n:]
		if len(out) > 0 {
			if err := t.conn.SetDeleteElements(s, out); err != nil {
				return fmt.Errorf("elements of %s: %w", s.Name, err)
			}
		}
		if len(in) > 0 {
			if err := t.conn.SetAddElements(s, in); err != nil {
				return fmt.Errorf("elements of %s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// element gives an element as the library takes it.
func (s *set) element(key, value string) nftables.SetElement {
	e := nftables.SetElement{Key: []byte(key)}
	if s.value == nftables.TypeVerdict {
		e.VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: value}
	} else {
		e.Val = []byte(value)
	}
	return e
}
