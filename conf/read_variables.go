package conf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variablePrefix starts the environment variables that set variables.
const variablePrefix = "USHER_VAR_"

// Environment gives the variables that this process's environment sets, as Load sees
// them.
func Environment() map[string]string {
	all := map[string]string{}
	for _, e := range os.Environ() {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, variablePrefix) {
			all[strings.TrimPrefix(name, variablePrefix)] = value
		}
	}
	return all
}

// scope is what expressions can refer to: var and local, the same in all files,
// and functions, whose paths are relative to the file.
type scope struct {
	vars   map[string]cty.Value
	locals map[string]cty.Value
	meter  *meter
	read   []string          // files that the function file read
	texts  map[string]string // of those, the small ones
	hidden hiding
	calls  map[string]*hcl.EvalContext
}

// context is the scope as seen from one file.
func (s *scope) context(file string) *hcl.EvalContext {
	if c, ok := s.calls[file]; ok {
		return c
	}
	c := &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(s.vars), "local": cty.ObjectVal(s.locals)},
		Functions: functions(s.meter, filepath.Dir(file), func(path, text string) {
			if !slices.Contains(s.read, path) {
				s.read = append(s.read, path)
			}
			if s.hidden.line(text); len(text) <= longestHidden {
				if s.texts == nil {
					s.texts = map[string]string{}
				}
				s.texts[path] = text
			}
		}),
	}
	s.calls[file] = c
	return c
}

// clone is the same scope for another goroutine.
func (s *scope) clone() *scope {
	return &scope{vars: s.vars, locals: s.locals, meter: s.meter, hidden: s.hidden.clip(), calls: map[string]*hcl.EvalContext{}}
}

// forget drops the contexts made so far, since vars or locals have grown.
func (s *scope) forget() { s.calls = map[string]*hcl.EvalContext{} }

// scopeOf evaluates variable and locals blocks of all files.
func scopeOf(sources []*source, given map[string]string, m *meter) (*scope, hcl.Diagnostics) {
	s := &scope{vars: map[string]cty.Value{}, locals: map[string]cty.Value{}, meter: m}
	s.forget()
	diags := s.variables(sources, given)
	s.forget()
	return s, append(diags, s.evaluateLocals(sources)...)
}

// variableKeys is the schema of a variable block.
var variableKeys = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "default"}, {Name: "description"}, {Name: "type"}, {Name: "sensitive"}}}

func (s *scope) variables(sources []*source, given map[string]string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	first := map[string]hcl.Range{}
	for _, src := range sources {
		for _, b := range src.body.Blocks {
			if b.Type != "variable" {
				continue
			}
			if len(b.Labels) != 1 {
				diags = append(diags, complain("Variable without a name", `A variable block has one label, its name, as in: variable "priority" {}`, b.DefRange()))
				continue
			}
			name := b.Labels[0]
			if earlier, twice := first[name]; twice {
				diags = append(diags, complain("Variable declared twice", fmt.Sprintf("The variable %q is declared at %s already.", name, earlier), b.LabelRanges[0]))
				continue
			}
			first[name] = b.DefRange()
			v, more := s.variable(src, b, given)
			diags = append(diags, more...)
			s.vars[name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, declared := s.vars[name]; !declared {
			diags = append(diags, placeless("Unknown variable", fmt.Sprintf("A value is given for the variable %q, but no file declares it.%s", name, didYouMean(name, slices.Sorted(maps.Keys(s.vars))))))
		}
	}
	return diags
}

// variable is the value of one variable: the one given, else the environment's,
// else its default.
func (s *scope) variable(src *source, b *hclsyntax.Block, given map[string]string) (cty.Value, hcl.Diagnostics) {
	name := b.Labels[0]
	content, diags := b.Body.Content(variableKeys)
	ctx := s.context(src.name)
	want := cty.DynamicPseudoType
	if attr := content.Attributes["type"]; attr != nil {
		t, more := typeexpr.TypeConstraint(attr.Expr)
		diags = append(diags, more...)
		if !more.HasErrors() {
			want = t
		}
	}
	standard := cty.NilVal
	if attr := content.Attributes["default"]; attr != nil {
		v, more := attr.Expr.Value(ctx)
		diags = append(diags, more...)
		converted, err := convert.Convert(v, want)
		switch {
		case err != nil:
			diags = append(diags, complain("Wrong type", fmt.Sprintf("The default of the variable %q does not have its type: %s.", name, err), attr.Expr.Range()))
		case !more.HasErrors():
			standard = converted
		}
	}
	sensitive := false
	if attr := content.Attributes["sensitive"]; attr != nil {
		v, more := attr.Expr.Value(ctx)
		diags = append(diags, more...)
		if !more.HasErrors() && v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() {
			sensitive = v.True()
		} else if !more.HasErrors() {
			diags = append(diags, complain("Wrong type", "sensitive is true or false.", attr.Expr.Range()))
		}
	}
	mark := func(v cty.Value) cty.Value {
		if sensitive {
			s.hidden.sensitive(v)
			return v.Mark(sensitiveMark{})
		}
		return v
	}
	text, ok := given[name]
	origin := "--var " + name
	if !ok {
		origin = variablePrefix + name
		text, ok = os.LookupEnv(origin)
	}
	switch {
	case ok:
		if sensitive { // whatever it turns out to be
			s.hidden.sensitive(cty.StringVal(text))
		}
		v, err := s.parseVariable(text, want, standard)
		if err != nil {
			shown := fmt.Sprintf("%q", text)
			if sensitive {
				shown = "(sensitive)"
			}
			diags = append(diags, complain("Unusable value of a variable", fmt.Sprintf("The value %s of %s is not what the variable %q can be: %s.", shown, origin, name, err), b.DefRange()))
			return cty.DynamicVal, diags
		}
		return mark(v), diags
	case standard != cty.NilVal:
		return mark(standard), diags
	case content.Attributes["default"] != nil:
		return cty.DynamicVal, diags // its error is told above
	}
	return cty.DynamicVal, append(diags, complain("Variable without a value", fmt.Sprintf("The variable %q has no default: give it by --var %s=... or by %s%s in the environment.", name, name, variablePrefix, name), b.DefRange()))
}

// sensitiveMark keeps the values of sensitive variables out of messages.
type sensitiveMark struct{}

// parseVariable reads a value from the command line. Its type is the declared
// one, else that of the default, else a string; anything but a primitive is
// written as an HCL expression.
func (s *scope) parseVariable(text string, want cty.Type, standard cty.Value) (cty.Value, error) {
	if want == cty.DynamicPseudoType {
		want = cty.String
		if standard != cty.NilVal && !standard.IsNull() {
			want = standard.Type()
		}
	}
	if want.IsPrimitiveType() {
		return convert.Convert(cty.StringVal(text), want)
	}
	if deep := tooDeep([]byte(text), ""); deep != nil {
		return cty.NilVal, errors.New(strings.TrimSuffix(deep.Detail, "."))
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%s", diags[0].Summary)
	}
	v, diags := s.meter.root(expr).Value(s.meter.alone())
	diags = plainly(diags)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%s", diags[0].Detail)
	}
	if want.IsTupleType() || want.IsObjectType() {
		// A default such as ["a", "b"] is a tuple of two; a list may have more.
		return v, nil
	}
	return convert.Convert(v, want)
}

// complain is an error at a place.
func complain(summary, detail string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: at.Ptr()}
}
