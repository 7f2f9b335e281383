package conf

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The plain way reads a block that is written as most are: keys with a number, true
// or false, a string of plain letters or a list of such strings, and blocks of the
// same kind. It makes of it the nodes that the reader makes, without tokens, syntax
// tree and expressions, in a tenth of the time. Whatever it does not know, or
// would have to complain of, it leaves to the reader.

// plainReader reads texts of a folder's files, one after the other: the nodes of one
// are gone with the next. They have no places.
type plainReader struct {
	top  *block
	text string
	at   int
	dir  string // folder of the file

	nodes  []*node // all that were ever made
	used   int     // of nodes
	values []value // room for those of a text
	seen   map[string]bool
	labels []string
}

func newPlainReader(top *block) *plainReader {
	return &plainReader{top: top, seen: map[string]bool{}}
}

// read gives the only block of text; nil where it is not written plainly or anything
// is wrong with it.
func (p *plainReader) read(text, dir string) *node {
	for i := range len(text) {
		if b := text[i]; b >= 0x7f || b < ' ' && b != '\n' && b != '\t' {
			return nil
		}
	}
	p.text, p.at, p.dir, p.used, p.values = text, 0, dir, 0, p.values[:0]
	root := p.node()
	root.spec = p.top
	if !p.body(root) || p.at < len(text) {
		return nil
	}
	var only *node
	for _, all := range root.blocks {
		for _, n := range all {
			if only != nil {
				return nil
			}
			only = n
		}
	}
	return only
}

// node is a new one, or one of a text before, made new.
func (p *plainReader) node() *node {
	if p.used == len(p.nodes) {
		p.nodes = append(p.nodes, &node{values: map[string]*value{}, blocks: map[string][]*node{}})
	}
	n := p.nodes[p.used]
	p.used++
	clear(n.values)
	if len(n.blocks) > 0 {
		for name, all := range n.blocks {
			n.blocks[name] = all[:0]
		}
	}
	n.labels, n.dir = n.labels[:0], p.dir
	return n
}

// body reads the items of a block up to its end, which it leaves, or the text's.
func (p *plainReader) body(n *node) bool {
	for {
		p.blank()
		if p.at == len(p.text) || p.text[p.at] == '}' {
			return p.complete(n)
		}
		if !p.item(n) || !p.lineEnd() {
			return false
		}
	}
}

// complete tells whether a block has what it must have, and nothing twice.
func (p *plainReader) complete(n *node) bool {
	for i := range n.spec.keys {
		if k := &n.spec.keys[i]; k.required && n.values[k.name] == nil {
			return false
		}
	}
	for _, spec := range n.spec.blocks {
		all := n.blocks[spec.name]
		if len(all) < 2 || spec.variants != nil || spec.many && len(spec.labels) == 0 {
			continue
		}
		if !spec.many {
			return false
		}
		if p.twice(all) {
			return false
		}
	}
	return true
}

// twice tells whether two blocks have the same label.
func (p *plainReader) twice(all []*node) bool {
	if len(all) > few {
		clear(p.seen)
		for _, c := range all {
			p.seen[c.label()] = true
		}
		return len(p.seen) < len(all)
	}
	for i, c := range all {
		for _, other := range all[:i] {
			if c.label() == other.label() {
				return true
			}
		}
	}
	return false
}

// item reads an argument or a block, but for what ends its line.
func (p *plainReader) item(n *node) bool {
	name := p.word()
	if len(name) == 0 {
		return false
	}
	p.space()
	if p.take('=') {
		return p.argument(n, name)
	}
	return p.block(n, name)
}

func (p *plainReader) argument(n *node, name string) bool {
	k := n.spec.named(name)
	if k == nil || n.values[k.name] != nil {
		return false
	}
	p.space()
	v := p.value(k)
	if v == nil {
		return false
	}
	p.values = append(p.values, value{v: v}) // those before may move, and stay where they are
	n.values[k.name] = &p.values[len(p.values)-1]
	return true
}

// block reads labels and body of a block in parent.
func (p *plainReader) block(parent *node, name string) bool {
	i := slices.IndexFunc(parent.spec.blocks, func(b *block) bool { return b.name == name })
	if i < 0 {
		return false
	}
	spec := parent.spec.blocks[i]
	n := p.node()
	labels := p.labels[:0]
	for p.at < len(p.text) && p.text[p.at] == '"' {
		text, ok := p.quoted()
		if !ok {
			return false
		}
		labels = append(labels, text)
		n.labels = append(n.labels, label{text: text})
		p.space()
	}
	p.labels = labels
	known := false
	if n.spec, known = spec.variant(labels); !known || len(labels) != len(spec.labels) || !p.take('{') {
		return false
	}
	p.space()
	if p.at < len(p.text) && p.text[p.at] != '}' && !p.lineEnd() {
		// All in one line, which then is a single argument.
		key := p.word()
		p.space()
		if !p.take('=') || !p.argument(n, key) || !p.complete(n) {
			return false
		}
		p.space()
	} else if !p.body(n) {
		return false
	}
	parent.blocks[spec.name] = append(parent.blocks[spec.name], n)
	return p.take('}')
}

// value reads what the key is set to, as the decoder would have it; nil for
// anything else.
func (p *plainReader) value(k *key) any {
	switch k.kind {
	case kindNumber:
		if n, err := strconv.ParseInt(p.number(), 10, 64); err == nil && k.bounds.hold(n) {
			return n
		}
	case kindFraction:
		if f, err := strconv.ParseFloat(p.number(), 64); err == nil && (k.bounds == bounds{} || f >= float64(k.bounds.min) && f <= float64(k.bounds.max)) {
			return f
		}
	case kindFlag:
		switch p.word() {
		case "true":
			return true
		case "false":
			return false
		}
	case kindTexts:
		return list(p, func(s string) (string, bool) { return s, k.allows(s) })
	case kindIPs:
		return list(p, func(s string) (netip.Addr, bool) { return noError(netip.ParseAddr(s)) })
	case kindPrefixes:
		return list(p, func(s string) (netip.Prefix, bool) { return noError(parsePrefix(s)) })
	case kindText, kindDuration, kindIP, kindPrefix:
		if s, ok := p.quoted(); ok {
			return k.plain(s)
		}
	}
	return nil
}

// plain gives a string the type of the key; nil where it cannot have it.
func (k *key) plain(s string) any {
	switch k.kind {
	case kindText:
		if k.allows(s) {
			return s
		}
	case kindDuration:
		if t, err := time.ParseDuration(s); err == nil && k.bounds.hold(int64(t)) && (k.step == 0 || t%k.step == 0) {
			return t
		}
	case kindIP:
		if a, err := netip.ParseAddr(s); err == nil {
			return a
		}
	case kindPrefix:
		if a, err := parsePrefix(s); err == nil {
			return a
		}
	}
	return nil
}

// list reads strings in brackets; nil for anything else.
func list[T any](p *plainReader, element func(string) (T, bool)) any {
	if !p.take('[') {
		return nil
	}
	out := []T{}
	for more := true; ; {
		p.space()
		for p.take('\n') {
			p.space()
		}
		switch {
		case p.take(']'):
			return out
		case !more && p.take(','):
			more = true
			continue
		case !more:
			return nil
		}
		s, ok := p.quoted()
		if !ok {
			return nil
		}
		e, ok := element(s)
		if !ok {
			return nil
		}
		out = append(out, e)
		more = false
	}
}

func noError[T any](v T, err error) (T, bool) { return v, err == nil }

// quoted reads a string without escapes and templates.
func (p *plainReader) quoted() (string, bool) {
	if !p.take('"') {
		return "", false
	}
	for i := p.at; i < len(p.text); i++ {
		switch p.text[i] {
		case '"':
			s := p.text[p.at:i]
			p.at = i + 1
			return s, true
		case '\\', '$', '%', '\n':
			return "", false
		}
	}
	return "", false
}

// number reads digits, with a point among them or none, as a number of that few
// digits is written in the shortest way; "" where there is none.
func (p *plainReader) number() string {
	from, points := p.at, 0
	for p.at < len(p.text) && (p.text[p.at] >= '0' && p.text[p.at] <= '9' || p.text[p.at] == '.') {
		if p.text[p.at] == '.' {
			points++
		}
		p.at++
	}
	s := p.text[from:p.at]
	whole, fraction, _ := strings.Cut(s, ".")
	if len(s) > 15 || points > 1 || points == 1 && fraction == "" || whole == "" || whole[0] == '0' && len(whole) > 1 {
		return ""
	}
	return s
}

// word reads a name.
func (p *plainReader) word() string {
	from := p.at
	for p.at < len(p.text) && (letter(p.text[p.at]) || p.at > from && (p.text[p.at] == '_' || p.text[p.at] == '-' || p.text[p.at] >= '0' && p.text[p.at] <= '9')) {
		p.at++
	}
	return p.text[from:p.at]
}

// take reads one character, if it is the next one.
func (p *plainReader) take(b byte) bool {
	if p.at == len(p.text) || p.text[p.at] != b {
		return false
	}
	p.at++
	return true
}

// space reads blanks within a line.
func (p *plainReader) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// lineEnd reads the rest of a line in which nothing more stands but a comment.
func (p *plainReader) lineEnd() bool {
	p.space()
	rest := p.text[p.at:]
	if len(rest) > 0 && (rest[0] == '#' || len(rest) > 1 && rest[0] == '/' && rest[1] == '/') {
		for p.at < len(p.text) && p.text[p.at] != '\n' {
			p.at++
		}
	}
	return p.at == len(p.text) || p.take('\n')
}

// blank reads lines without an item.
func (p *plainReader) blank() {
	for p.at < len(p.text) {
		from := p.at
		if !p.lineEnd() || p.at == from {
			return
		}
	}
}
