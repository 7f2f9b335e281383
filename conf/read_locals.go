package conf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// local is one attribute of a locals block, not evaluated yet.
type local struct {
	expr hcl.Expression
	file string
	name hcl.Range
}

// evaluateLocals evaluates all locals in an order that their references need.
func (s *scope) evaluateLocals(sources []*source) hcl.Diagnostics {
	var diags hcl.Diagnostics
	pending := map[string]local{}
	for _, src := range sources {
		for _, b := range src.body.Blocks {
			if b.Type != "locals" {
				continue
			}
			attrs, more := b.Body.JustAttributes()
			diags = append(diags, more...)
			for name, attr := range attrs {
				if earlier, twice := pending[name]; twice {
					diags = append(diags, complain("Local value defined twice", fmt.Sprintf("The local value %q is defined at %s already.", name, earlier.name), attr.NameRange))
					continue
				}
				pending[name] = local{attr.Expr, src.name, attr.NameRange}
			}
		}
	}
	for len(pending) > 0 {
		s.forget()
		var ready []string
		for name, l := range pending {
			if !s.waits(name, l, pending) {
				ready = append(ready, name)
			}
		}
		if len(ready) == 0 {
			return append(diags, s.circle(pending))
		}
		slices.Sort(ready)
		for _, name := range ready {
			l := pending[name]
			v, more := l.expr.Value(s.context(l.file))
			diags = append(diags, more...)
			s.locals[name] = v
		}
		for _, name := range ready {
			delete(pending, name)
		}
	}
	s.forget()
	return diags
}

// circle complains of locals that wait for each other and gives each a value
// that stops further complaints.
func (s *scope) circle(pending map[string]local) *hcl.Diagnostic {
	names := slices.Sorted(maps.Keys(pending))
	for _, name := range names {
		s.locals[name] = cty.DynamicVal
	}
	s.forget()
	return complain("Local values in a circle", "These refer to each other, so none can be evaluated: "+strings.Join(names, ", ")+".", pending[names[0]].name)
}

// waits says whether a local needs one that is pending.
func (s *scope) waits(name string, l local, pending map[string]local) bool {
	is := func(other string) bool { _, waits := pending[other]; return waits }
	names, whole := localsIn(l.expr)
	if slices.ContainsFunc(names, is) {
		return true
	}
	if !whole {
		return false
	}
	chosen, whole := s.chosen(l)
	return slices.ContainsFunc(chosen, is) || whole && len(pending) > 1
}

// chosen are the locals that an expression picks by keys, whose own locals are known;
// and whether it needs all, since it picks from them in a way that is not seen here.
func (s *scope) chosen(l local) (names []string, whole bool) {
	isLocal := func(n hclsyntax.Node) bool {
		t, ok := n.(*hclsyntax.ScopeTraversalExpr)
		return ok && t.Traversal.RootName() == "local" && len(t.Traversal) == 1
	}
	picked := map[hclsyntax.Node]bool{}
	hclsyntax.VisitAll(l.expr.(hclsyntax.Expression), func(n hclsyntax.Node) hcl.Diagnostics {
		if index, ok := n.(*hclsyntax.IndexExpr); ok && isLocal(index.Collection) {
			key, diags := index.Key.Value(s.context(l.file))
			key, _ = key.Unmark()
			key, err := convert.Convert(key, cty.String)
			if picked[index.Collection] = !diags.HasErrors(); err == nil && key.IsKnown() && !key.IsNull() {
				names = append(names, key.AsString())
			}
		}
		whole = whole || isLocal(n) && !picked[n]
		return nil
	})
	return names, whole
}

// localsIn are the locals that an expression refers to by name, and whether it refers
// to all of them in another way.
func localsIn(expr hcl.Expression) (names []string, whole bool) {
	for _, t := range expr.Variables() {
		if t.RootName() != "local" {
			continue
		}
		if len(t) < 2 {
			whole = true
			continue
		}
		switch step := t[1].(type) {
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				names = append(names, step.Key.AsString())
			}
		}
	}
	return names, whole
}
