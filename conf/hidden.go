package conf

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// leastHidden is how many bytes a secret value must have to be looked for in texts:
// shorter ones would blot out half of what they say, and are no secrets.
const leastHidden = 4

// longestHidden is how long the one line of a file can be that is taken for a secret.
const longestHidden = 1024

// hide remembers a value that no message may show: that of a sensitive variable, with
// all that is in it, or what a file holds that the configuration reads.
func (s *scope) hide(v cty.Value) {
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
			for _, text := range []string{v.AsString(), strings.TrimSpace(v.AsString())} {
				if len(text) >= leastHidden {
					s.hidden = append(s.hidden, text)
				}
			}
		}
		return true, nil
	})
}

// conceal puts stars in the place of secret values, wherever in the texts of the
// diagnostics they are. The stars are as long, so that carets stay below their text.
func (ds Diagnostics) conceal(secrets []string) {
	if len(secrets) == 0 {
		return
	}
	// The longest first: one may be within another.
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range slices.Compact(secrets) {
		pairs = append(pairs, s, strings.Repeat("*", len(s)))
	}
	masker := strings.NewReplacer(pairs...)
	for i := range ds {
		d := &ds[i]
		for _, text := range []*string{&d.Summary, &d.Detail, &d.Context, &d.Source} {
			*text = masker.Replace(*text)
		}
		for j := range d.Values {
			d.Values[j] = masker.Replace(d.Values[j])
		}
	}
}
