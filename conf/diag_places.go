package conf

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// places finds the place in the files of a field of a domain type, by its path:
// keys joined by dots, elements by [index].
type places struct {
	node *node
	// lists are the places of the elements of a field that a block or list alone
	// does not tell, such as addresses, which come from both.
	lists map[string][]spot
	// alias names the keys, as in the files, of fields called otherwise.
	alias map[string]string
	// spoiled are fields whose complaints only follow from others told before.
	spoiled map[string]bool
}

// spot is a place, and the block to look further in, if it is one.
type spot struct {
	node *node
	at   hcl.Range
}

// find is the place of a field, or that of the nearest thing around it, which is
// not exact. What follows from an earlier complaint is told.
func (p *places) find(path string) (at hcl.Range, exact, told bool) {
	cur := p.node
	path = p.rename(path)
	if p.spoiled[path] {
		return cur.own(), false, true
	}
	if s, rest, ok := p.spot(path); ok {
		if s.node == nil || rest == "" {
			return s.at, true, false
		}
		cur, path = s.node, rest
	}
	for step := range strings.SplitSeq(path, ".") {
		name, index := split(step)
		if v := cur.values[name]; v != nil {
			return v.item(index), true, v.bad
		}
		blocks := cur.blocks[name]
		if len(blocks) == 0 {
			return cur.own(), false, false
		}
		cur = blocks[min(max(index, 0), len(blocks)-1)]
	}
	return cur.own(), true, false
}

// spoil keeps later complaints about some fields untold.
func (p *places) spoil(fields ...string) {
	if p.spoiled == nil {
		p.spoiled = map[string]bool{}
	}
	for _, f := range fields {
		p.spoiled[f] = true
	}
}

// shown is the path as people know it from the files.
func (p *places) shown(path string) string {
	path = p.rename(path)
	s, rest, ok := p.spot(path)
	switch {
	case !ok || s.node == nil:
		return path
	case rest == "":
		return s.node.title()
	}
	return s.node.title() + "." + rest
}

// spot finds the element of a list that a path starts with, and what follows it.
func (p *places) spot(path string) (s spot, rest string, ok bool) {
	for name, list := range p.lists {
		after, found := strings.CutPrefix(path, name+"[")
		if !found {
			continue
		}
		number, rest, closed := strings.Cut(after, "]")
		if index, err := strconv.Atoi(number); closed && err == nil && index >= 0 && index < len(list) {
			return list[index], strings.TrimPrefix(rest, "."), true
		}
	}
	return spot{}, "", false
}

// title is a block's header for people.
func (n *node) title() string {
	if len(n.labels) == 0 {
		return n.spec.name
	}
	return n.spec.name + " " + strconv.Quote(n.label())
}

// rename gives a path the keys of the files: the longest alias that starts it.
func (p *places) rename(path string) string {
	for _, from := range slices.Backward(slices.Sorted(maps.Keys(p.alias))) {
		if rest, ok := strings.CutPrefix(path, from); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return p.alias[from] + rest
		}
	}
	return path
}

// split takes "name[2]" apart; the index is -1 where there is none.
func split(step string) (string, int) {
	name, rest, ok := strings.Cut(step, "[")
	if !ok {
		return step, -1
	}
	index, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil {
		return name, -1
	}
	return name, index
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
