package conf

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// reader turns files into a tree of nodes, by the schema.
type reader struct {
	scope *scope
	top   *block // the schema
	diags hcl.Diagnostics
}

// read reads all files into one node whose blocks are the top-level ones.
func (r *reader) read(sources []*source) *node {
	root := &node{spec: r.top, blocks: map[string][]*node{}}
	want := *r.top.body
	want.Blocks = append(slices.Clone(want.Blocks), hcl.BlockHeaderSchema{Type: "locals"}, hcl.BlockHeaderSchema{Type: "variable", LabelNames: []string{"name"}})
	for _, src := range sources {
		ctx := r.scope.context(src.name)
		var body hcl.Body = src.body
		if hasDynamic(src.body) {
			body = dynblock.Expand(body, ctx)
		}
		content, diags := body.Content(&want)
		for _, d := range diags {
			r.diags = append(r.diags, r.improve(d, root))
		}
		r.children(root, content.Blocks, ctx, filepath.Dir(src.name))
	}
	r.unique(root)
	return root
}

// hasDynamic says whether a body has a dynamic block at any depth. Expanding
// costs, and large configurations have none.
func hasDynamic(b *hclsyntax.Body) bool {
	return slices.ContainsFunc(b.Blocks, func(c *hclsyntax.Block) bool { return c.Type == "dynamic" || hasDynamic(c.Body) })
}

// children reads blocks into their parent.
func (r *reader) children(parent *node, blocks hcl.Blocks, ctx *hcl.EvalContext, dir string) {
	for _, b := range blocks {
		for _, spec := range parent.spec.blocks {
			if spec.name != b.Type {
				continue
			}
			n := &node{header: b.DefRange, dir: dir}
			for i, text := range b.Labels {
				n.labels = append(n.labels, label{text, b.LabelRanges[i]})
			}
			variant, known := spec.variant(b.Labels)
			if !known {
				r.unknownVariant(spec, n)
				continue
			}
			n.spec = variant
			r.body(n, b.Body, ctx)
			parent.blocks[b.Type] = append(parent.blocks[b.Type], n)
		}
	}
}

func (r *reader) unknownVariant(spec *block, n *node) {
	var known []string
	for _, v := range spec.variants {
		known = append(known, v.labels[0])
	}
	hint := didYouMean(n.label(), known)
	if hint == "" {
		hint = " There are " + strings.Join(known, ", ") + "."
	}
	r.diags = append(r.diags, complain("Unknown "+strings.ReplaceAll(spec.name, "_", " "), fmt.Sprintf("There is no %s %q.%s", spec.name, n.label(), hint), n.labels[0].at))
}

// body reads arguments and blocks of one block.
func (r *reader) body(n *node, body hcl.Body, ctx *hcl.EvalContext) {
	content, diags := body.Content(n.spec.body)
	for _, d := range diags {
		r.diags = append(r.diags, r.improve(d, n))
	}
	n.values = make(map[string]*value, len(content.Attributes))
	n.blocks = map[string][]*node{}
	for _, k := range n.spec.keys {
		attr := content.Attributes[k.name]
		var v *value
		if attr != nil {
			var more hcl.Diagnostics
			v, more = decode(k, attr, ctx)
			r.diags = append(r.diags, more...)
		}
		if v != nil && v.made != nil {
			r.scope.hidden.derived(v.made)
		}
		if v == nil && k.required {
			v = &value{bad: true, at: n.header}
			r.diags = append(r.diags, complain("Missing required argument", fmt.Sprintf("%s needs the argument %q.", n.spec.name, k.name), n.header))
		}
		if v != nil {
			n.values[k.name] = v
		}
	}
	r.children(n, content.Blocks, ctx, n.dir)
	r.unique(n)
}

// improve tells where a key does belong that HCL found out of place.
func (r *reader) improve(d *hcl.Diagnostic, n *node) *hcl.Diagnostic {
	if d.Summary != "Unsupported argument" && d.Summary != "Unsupported block type" || d.Subject == nil {
		return d
	}
	_, rest, _ := strings.Cut(d.Detail, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	if hint := instead(n.spec.name, strings.ToLower(name)); hint != "" {
		better := *d
		better.Detail, _, _ = strings.Cut(d.Detail, " Did you mean")
		better.Detail += hint
		return &better
	}
	if strings.Contains(d.Detail, "Did you mean") {
		return d
	}
	var near []string
	for _, k := range n.spec.keys {
		near = append(near, k.name)
	}
	for _, c := range n.spec.blocks {
		near = append(near, c.name)
	}
	better := *d
	if hint := didYouMean(name, near); hint != "" {
		better.Detail += hint
	} else if homes := homes(r.top, n.spec, name); len(homes) > 0 {
		better.Detail += " It belongs into " + strings.Join(homes[:min(len(homes), 4)], " or ") + "."
	}
	return &better
}

// homes are the blocks that have a key, those of the same kind as from alone if
// there are any.
func homes(in, from *block, name string) []string {
	var same, all []string
	for _, b := range append(slices.Clone(in.blocks), in.variants...) {
		switch {
		case b.variants == nil && b.has(name) && b.name == from.name && b != from:
			same = append(same, fmt.Sprintf("%s %q", b.name, b.labels[0]))
		case b.has(name) && b.name != from.name:
			all = append(all, b.name)
		}
		below := homes(b, from, name)
		if len(below) > 0 && strings.HasPrefix(below[0], from.name+" ") {
			same = append(same, below...)
		} else {
			all = append(all, below...)
		}
	}
	if same != nil {
		all = same
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unique complains of blocks that stand more often than they may, and drops them,
// so that nothing else is complained of on their account.
func (r *reader) unique(n *node) {
	for _, spec := range n.spec.blocks {
		if spec.variants != nil || spec.many && len(spec.labels) == 0 {
			continue
		}
		first := map[string]*node{}
		n.blocks[spec.name] = slices.DeleteFunc(n.blocks[spec.name], func(c *node) bool {
			name := ""
			if spec.many {
				name = c.label()
			}
			earlier, twice := first[name]
			if !twice {
				first[name] = c
				return false
			}
			r.diags = append(r.diags, complain("Block given twice", fmt.Sprintf("There is a %s at %s already.", c.title(), place(earlier.header)), c.own()))
			return true
		})
	}
}

// place names a line for people.
func place(at hcl.Range) string { return fmt.Sprintf("%s:%d", at.Filename, at.Start.Line) }
