package conf

import (
	"bytes"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The quick way reads a configuration in pieces: each top-level block by itself,
// virtual servers on all processors at once and none of them again whose text is
// known. It leaves no syntax tree of the whole behind, which would be some fifty
// times the text, and it knows no places. So it only ever succeeds where there is
// nothing to say.

// pools are virtual servers by their folder and text, as far as these alone say
// what they are.
type pools map[string]map[string]*VirtualServer

// piece is a part of a file that begins as a virtual server does.
type piece struct {
	file int
	text string // of a virtual server, a copy: a part would hold its whole file

	server   *VirtualServer
	constant bool     // the text says it all
	read     []string // files that it reads
	hidden   hiding
}

// cut takes a text apart before every line that begins with a letter, which is
// how top-level blocks begin in files that are indented as they should be.
//
// Reading HCL goes from left to right, so a first piece that is a whole body by
// itself, up to its line's end, leaves the reader where it was at the start; and
// so on for all others. A cut within a block, a string over several lines or a
// comment leaves a piece that is none.
func cut(text []byte) [][]byte {
	var all [][]byte
	start := 0
	for at := 0; at < len(text); {
		if at > start && letter(text[at]) {
			all = append(all, text[start:at])
			start = at
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		at += end + 1
	}
	return append(all, text[start:])
}

func letter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// quick loads texts if nothing is wrong with them, else it returns nil. known is
// what the last configuration knew, the result what this one knows.
func quick(texts []text, vars map[string]string, known pools, how loading) (*Config, pools) {
	var servers []*piece
	others := make([]*source, len(texts))
	for i, t := range texts {
		others[i] = &source{name: t.name, body: &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}}
		folder := filepath.Dir(t.name)
		for _, part := range cut(t.bytes) {
			if bytes.HasPrefix(part, []byte("virtual_server ")) {
				p := &piece{file: i, text: string(part)}
				p.server = known[folder][p.text]
				p.constant = p.server != nil
				servers = append(servers, p)
				continue
			}
			body := whole(t.name, part, hcl.InitialPos)
			if body == nil || len(body.Attributes) > 0 {
				return nil, nil
			}
			others[i].body.Blocks = append(others[i].body.Blocks, body.Blocks...)
		}
	}
	meter := newMeter(how.context(), how.most)
	for _, s := range others {
		meter.body(s.body)
	}
	var scope *scope
	var root *node
	var diags hcl.Diagnostics
	r := &reader{top: schema()}
	if aborted := meter.bounded(func() {
		if scope, diags = scopeOf(others, vars, meter); len(diags) == 0 {
			r.scope = scope
			root = r.read(others)
		}
	}); len(aborted)+len(diags) > 0 {
		return nil, nil
	}
	// A virtual server among the others would lose its place in the order.
	if len(r.diags) > 0 || len(root.all("virtual_server")) > 0 {
		return nil, nil
	}
	if !build(servers, texts, scope, how) {
		return nil, nil
	}
	ready := slices.Grow([]VirtualServer(nil), len(servers))
	read := slices.Clone(scope.read)
	hidden := scope.hidden
	names := make(map[string]bool, len(servers))
	for _, p := range servers {
		ready = append(ready, *p.server)
		read = append(read, p.read...)
		hidden = hidden.and(p.hidden)
		names[p.server.Name] = true
	}
	if len(names) < len(servers) {
		return nil, nil // a name stands twice
	}
	b := newBuilder(nil)
	b.how, b.texts = how, scope.texts
	c := b.config(root, ready)
	if len(b.diags) > 0 || meter.over() != nil || len(c.unbound(how.addresses)) > 0 {
		return nil, nil
	}
	c.Files = allFiles(texts, read, b.read)
	c.keep(hidden)
	return c, remember(servers, texts)
}

// whole is the body that a text is, nil if it is none. It begins at a place of its file.
func whole(name string, text []byte, at hcl.Pos) *hclsyntax.Body {
	if tooDeep(text, name) != nil {
		return nil
	}
	file, diags := hclsyntax.ParseConfig(text, name, at)
	if len(diags) > 0 {
		return nil
	}
	body, _ := file.Body.(*hclsyntax.Body)
	return body
}

// build makes the virtual servers that are not known, and tells whether all is
// well with each.
func build(servers []*piece, texts []text, s *scope, how loading) bool {
	var unread []*piece
	for _, p := range servers {
		if p.server == nil {
			unread = append(unread, p)
		}
	}
	var wait sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Bool
	for range min(runtime.GOMAXPROCS(0), len(unread)) {
		wait.Go(func() {
			m := newMaker(s, how)
			for !failed.Load() {
				n := int(next.Add(1)) - 1
				if n >= len(unread) {
					return
				}
				good := false
				s.meter.bounded(func() { good = m.build(unread[n], texts[unread[n].file].name) })
				if !good {
					failed.Store(true)
				}
			}
		})
	}
	wait.Wait()
	return !failed.Load()
}

// maker makes virtual servers one after the other. Nothing of it is shared, as scopes
// fill up as they are used.
type maker struct {
	scope   *scope
	hidden  hiding // of the scope at first
	reader  *reader
	plain   *plainReader
	builder *builder
}

func newMaker(s *scope, how loading) *maker {
	top := schema()
	mine := s.clone()
	b := newBuilder(nil)
	b.how = how
	return &maker{scope: mine, hidden: mine.hidden, reader: &reader{scope: mine, top: top}, plain: newPlainReader(top), builder: b}
}

// build makes the one virtual server that a piece is.
func (m *maker) build(p *piece, name string) bool {
	if n := m.plain.read(p.text, filepath.Dir(name)); n != nil {
		return m.take(p, n, nil)
	}
	body := whole(name, []byte(p.text), hcl.InitialPos)
	if body == nil || len(body.Attributes) > 0 || len(body.Blocks) != 1 {
		return false
	}
	m.reader.diags, m.scope.read, m.scope.hidden = nil, nil, m.hidden
	always := constant(body)
	m.scope.meter.body(body)
	root := m.reader.read([]*source{{name: name, body: body}})
	nodes := root.all("virtual_server")
	if len(m.reader.diags) > 0 || len(nodes) != 1 || !m.take(p, nodes[0], m.scope.read) {
		return false
	}
	p.hidden = m.scope.hidden.since(m.hidden)
	p.constant = p.constant && always
	return true
}

// take makes the virtual server of its block, which files were read for.
func (m *maker) take(p *piece, n *node, read []string) bool {
	b := m.builder
	b.read = nil
	clear(b.places)
	v := b.virtualServer(n)
	if len(b.diags) > 0 {
		return false
	}
	p.server, p.read = &v, append(read, b.read...)
	p.constant = len(p.read) == 0
	return true
}

// constant tells whether a body means the same whenever it is read: it refers to
// nothing and calls nothing.
func constant(body *hclsyntax.Body) bool {
	is := true
	hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n.(type) {
		case *hclsyntax.ScopeTraversalExpr, *hclsyntax.FunctionCallExpr:
			is = false
		}
		return nil
	})
	return is
}

// remember gives the virtual servers that need not be read again while their
// texts stay.
func remember(servers []*piece, texts []text) pools {
	now := pools{}
	for _, p := range servers {
		if !p.constant {
			continue
		}
		folder := filepath.Dir(texts[p.file].name)
		if now[folder] == nil {
			now[folder] = make(map[string]*VirtualServer, len(servers))
		}
		now[folder][p.text] = p.server
	}
	return now
}
