package conf

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// node is one block of the files, read by its schema: every value is of its
// key's kind and within its bounds, or marked as bad, and knows its place.
type node struct {
	spec   *block
	labels []label
	header hcl.Range // of the block's first line
	dir    string    // folder of its file, for paths
	values map[string]*value
	blocks map[string][]*node
}

// label is one label of a block, at its place.
type label struct {
	text string
	at   hcl.Range
}

// value is one argument as given.
type value struct {
	v     any // by kind: string, []string, map[string]string, int64, float64, bool, time.Duration, netip.Addr, []netip.Addr, netip.Prefix, []netip.Prefix
	bad   bool
	at    hcl.Range   // of the expression
	items []hcl.Range // of the elements of a list that is written out
	made  []string    // what of it is sensitive
}

// item is the place of element i, or the whole expression where the list comes
// from somewhere else.
func (v *value) item(i int) hcl.Range {
	if i >= 0 && i < len(v.items) {
		return v.items[i]
	}
	return v.at
}

// given says whether the file has the key, be its value good or bad.
func (n *node) given(name string) bool { return n != nil && n.values[name] != nil }

// get is the value of a key: as given, else its default, else the zero value.
// A bad value is its default too; its error has been told.
func get[T any](n *node, name string) T {
	var zero T
	if n == nil {
		return zero
	}
	if v := n.values[name]; v != nil && !v.bad {
		return v.v.(T)
	}
	if k := n.spec.key(name); k.value != nil {
		return normal(k.value).(T)
	}
	return zero
}

// normal gives a default the type that a value of its kind has.
func normal(v any) any {
	if i, ok := v.(int); ok {
		return int64(i)
	}
	return v
}

// key finds a key of a schema. One that is missing is a slip of the program.
func (b *block) key(name string) *key {
	if k := b.named(name); k != nil {
		return k
	}
	panic("conf: block " + b.name + " has no key " + name)
}

// has says whether the schema has a key.
func (b *block) has(name string) bool { return b.named(name) != nil }

// named is the key of a name, nil where the schema has none.
func (b *block) named(name string) *key {
	if b.index != nil {
		return b.index[name]
	}
	for i := range b.keys {
		if b.keys[i].name == name {
			return &b.keys[i]
		}
	}
	return nil
}

func (n *node) text(name string) string             { return get[string](n, name) }
func (n *node) texts(name string) []string          { return get[[]string](n, name) }
func (n *node) pairs(name string) map[string]string { return get[map[string]string](n, name) }
func (n *node) number(name string) int              { return int(get[int64](n, name)) }
func (n *node) fraction(name string) float64        { return get[float64](n, name) }
func (n *node) flag(name string) bool               { return get[bool](n, name) }
func (n *node) duration(name string) time.Duration  { return get[time.Duration](n, name) }
func (n *node) ip(name string) netip.Addr           { return get[netip.Addr](n, name) }
func (n *node) ips(name string) []netip.Addr        { return get[[]netip.Addr](n, name) }
func (n *node) prefix(name string) netip.Prefix     { return get[netip.Prefix](n, name) }
func (n *node) prefixes(name string) []netip.Prefix { return get[[]netip.Prefix](n, name) }

// one is the block of a kind that stands at most once, or nil.
func (n *node) one(name string) *node {
	if all := n.all(name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// all are the blocks of a kind.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	return n.blocks[name]
}

// label is the text of the first label.
func (n *node) label() string { return n.labels[0].text }

// at is the place of a key's value, or of the block's header where it is not given.
func (n *node) at(name string) hcl.Range {
	if v := n.values[name]; v != nil {
		return v.at
	}
	return n.header
}

// own is where a block is to blame as a whole: its label, else its header.
func (n *node) own() hcl.Range {
	if len(n.labels) > 0 {
		return n.labels[0].at
	}
	return n.header
}
