package conf

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"usher/healthcheck/redact"
)

// longestHidden is how long the one line of a file can be that is taken for a secret.
const longestHidden = 1024

// hiding is what the evaluation came across that nobody is to be shown.
type hiding struct {
	values []string // of sensitive variables, and what was made of them
	lines  []string // of files that have one
}

// since is what came after a hiding that this one began as.
func (h hiding) since(before hiding) hiding {
	return hiding{slices.Clone(h.values[len(before.values):]), slices.Clone(h.lines[len(before.lines):])}
}

// and is both.
func (h hiding) and(more hiding) hiding {
	return hiding{append(h.values, more.values...), append(h.lines, more.lines...)}
}

// clip is the same for somebody else to add to.
func (h hiding) clip() hiding { return hiding{slices.Clip(h.values), slices.Clip(h.lines)} }

// sensitive remembers the value of a sensitive variable, with all that is in it.
func (h *hiding) sensitive(v cty.Value) {
	v, _ = v.UnmarkDeep()
	for _, text := range stringsIn(v) {
		h.values = append(h.values, text, strings.TrimSpace(text))
		if plain, err := hex.DecodeString(text); err == nil { // of payload_hex
			h.values = append(h.values, string(plain))
		}
		if strings.Contains(text, "\n") {
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); len(line) >= redact.Anywhere && !strings.HasPrefix(line, "-----") {
					h.values = append(h.values, line)
				}
			}
		}
	}
}

// derived remembers what an expression made of sensitive values, unless these are still
// to be seen in it: then it is enough to hide them.
func (h *hiding) derived(made []string) {
	for _, text := range made {
		if !slices.ContainsFunc(h.values, func(v string) bool { return strings.Contains(text, v) && redact.Worth(v) }) {
			h.values = append(h.values, text)
		}
	}
}

// line remembers what a file holds. A password or key has one line; lists of servers and
// the like are no secrets.
func (h *hiding) line(text string) {
	if text = strings.TrimSpace(text); len(text) <= longestHidden && !strings.Contains(text, "\n") && !slices.Contains(h.lines, text) {
		h.lines = append(h.lines, text)
	}
}

// stringsIn are the strings in a value without marks.
func stringsIn(v cty.Value) []string {
	var all []string
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			all = append(all, v.AsString())
		}
		return true, nil
	})
	return all
}

// marked are the strings in a value that are sensitive, or were made of what is.
func marked(v cty.Value) []string {
	if !v.ContainsMarked() {
		return nil
	}
	var all []string
	plain, places := v.UnmarkDeepWithPaths()
	for _, p := range places {
		part, err := p.Path.Apply(plain)
		if err != nil { // an element of a set has no place
			part = plain
		}
		all = append(all, stringsIn(part)...)
	}
	return all
}

// written are the strings that files give to keys that are secret by their names, well
// spelt or nearly. The name of a file or a credential is none.
func written(sources []*source) []string {
	var all []string
	secret := secretKeys(schema())
	for _, s := range sources {
		if s.body == nil {
			continue
		}
		eachSecret(secret, "", s.body, func(expr hclsyntax.Expression) {
			name := map[*hclsyntax.LiteralValueExpr]bool{}
			_ = hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
				if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && (call.Name == "file" || call.Name == "credential") {
					for _, arg := range call.Args {
						_ = hclsyntax.VisitAll(arg, func(n hclsyntax.Node) hcl.Diagnostics {
							if l, ok := n.(*hclsyntax.LiteralValueExpr); ok {
								name[l] = true
							}
							return nil
						})
					}
				}
				if l, ok := n.(*hclsyntax.LiteralValueExpr); ok && !name[l] && l.Val.Type() == cty.String && !l.Val.IsNull() {
					all = append(all, l.Val.AsString())
				}
				return nil
			})
		})
	}
	return all
}

// conceal puts stars in the place of secret values, wherever in the texts of the
// diagnostics they are. The stars are as long, so that carets stay below their text.
func (ds Diagnostics) conceal(secrets []string) {
	set := redact.Everywhere(unusual(secrets))
	for i := range ds {
		d := &ds[i]
		for _, text := range []*string{&d.Summary, &d.Detail, &d.Context, &d.Source} {
			*text = set.Stars(*text)
		}
		for j := range d.Values {
			d.Values[j] = set.Stars(d.Values[j])
		}
	}
}
