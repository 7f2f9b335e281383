package conf

import (
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"usher/healthcheck"
)

// decode evaluates an argument and gives it the type of its key. The value is nil
// where the expression is null, which is as good as not written.
func decode(k key, attr *hcl.Attribute, ctx *hcl.EvalContext) (*value, hcl.Diagnostics) {
	out := &value{at: attr.Expr.Range()}
	if k.kind.list() {
		if exprs, diags := hcl.ExprList(attr.Expr); !diags.HasErrors() {
			for _, e := range exprs {
				out.items = append(out.items, e.Range())
			}
		}
	}
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		out.bad = true
		return out, quoteIt(diags)
	}
	if _, err := size(v); err != nil {
		out.bad = true
		return out, append(diags, complain(boundless, sentence(err), out.at))
	}
	out.made = marked(v)
	v, marks := v.UnmarkDeep()
	if v.IsNull() {
		return nil, diags
	}
	if !v.IsWhollyKnown() {
		out.bad = true // what it refers to has been complained of
		return out, diags
	}
	d := decoder{key: k, hidden: len(marks) > 0 || k.secret, value: out, expr: attr.Expr, ctx: ctx, diags: diags}
	out.v = d.convert(v)
	out.bad = d.failed
	return out, d.diags
}

// decoder converts one value and collects what is wrong with it.
type decoder struct {
	key    key
	hidden bool // the value must not be shown
	value  *value
	expr   hcl.Expression
	ctx    *hcl.EvalContext
	diags  hcl.Diagnostics
	failed bool
}

func (d *decoder) fail(at hcl.Range, summary, format string, args ...any) {
	d.failed = true
	c := complain(summary, fmt.Sprintf(format, args...), at)
	if !d.hidden {
		c.Expression, c.EvalContext = d.expr, d.ctx
	}
	d.diags = append(d.diags, c)
}

// convert gives the value as its kind has it; what it returns counts only if
// nothing failed.
func (d *decoder) convert(v cty.Value) any {
	switch d.key.kind {
	case kindText:
		s, _ := d.primitive(v, cty.String, d.value.at)
		return d.word(s, d.value.at)
	case kindNumber:
		return d.whole(v)
	case kindFraction:
		return d.float(v)
	case kindFlag:
		b, ok := d.primitive(v, cty.Bool, d.value.at)
		return ok && b.True()
	case kindDuration:
		return d.time(v)
	case kindIP:
		s, ok := d.primitive(v, cty.String, d.value.at)
		if !ok {
			return nil
		}
		return d.addr(s.AsString(), d.value.at)
	case kindPrefix:
		s, ok := d.primitive(v, cty.String, d.value.at)
		if !ok {
			return nil
		}
		return d.prefix(s.AsString(), d.value.at)
	case kindPairs:
		return d.pairs(v)
	case kindTexts:
		return each(d, v, func(s cty.Value, at hcl.Range) string { return d.word(s, at) })
	case kindIPs:
		return each(d, v, func(s cty.Value, at hcl.Range) netip.Addr { return d.addr(s.AsString(), at) })
	case kindPrefixes:
		return each(d, v, func(s cty.Value, at hcl.Range) netip.Prefix { return d.prefix(s.AsString(), at) })
	}
	panic("conf: key " + d.key.name + " is of no kind")
}

// primitive converts as HCL does, so that "5" is a number and 5 a string.
func (d *decoder) primitive(v cty.Value, t cty.Type, at hcl.Range) (cty.Value, bool) {
	c, err := convert.Convert(v, t)
	if err != nil || c.IsNull() {
		d.fail(at, "Wrong type", "%s must be %s, not %s.", d.key.name, a(d.key.kind.String()), a(v.Type().FriendlyName()))
		return cty.NilVal, false
	}
	return c, true
}

// a puts the article before the name of a type.
func a(name string) string {
	switch {
	case strings.HasPrefix(name, "true"), name == "dynamic":
		return name
	case strings.HasPrefix(name, "IP"), strings.HasPrefix(name, "object"), strings.HasPrefix(name, "any"):
		return "an " + name
	case strings.HasPrefix(name, "bool"):
		return "true or false"
	}
	return "a " + name
}

// each converts a list element by element.
func each[T any](d *decoder, v cty.Value, element func(cty.Value, hcl.Range) T) []T {
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		d.fail(d.value.at, "Wrong type", "%s must be %s, not %s. Brackets make one: [%s].", d.key.name, a(d.key.kind.String()), a(t.FriendlyName()), "...")
		return nil
	}
	out := []T{}
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		s, err := convert.Convert(e, cty.String)
		if err != nil || s.IsNull() {
			d.fail(d.value.item(i), "Wrong type", "Each element of %s must be a string, not %s.", d.key.name, a(e.Type().FriendlyName()))
			continue
		}
		out = append(out, element(s, d.value.item(i)))
	}
	return out
}

func (d *decoder) word(v cty.Value, at hcl.Range) string {
	if v == cty.NilVal {
		return ""
	}
	s := v.AsString()
	if !d.key.allows(s) {
		hint := didYouMean(s, d.key.oneOf)
		d.fail(at, "Unknown "+strings.ReplaceAll(d.key.name, "_", " "), "%s must be one of %s; %s is none of them.%s", d.key.name, strings.Join(d.key.oneOf, ", "), d.quote(s), hint)
	}
	return s
}

func (d *decoder) whole(v cty.Value) any {
	n, ok := d.primitive(v, cty.Number, d.value.at)
	if !ok {
		return nil
	}
	big := n.AsBigFloat()
	i, accuracy := big.Int64()
	switch {
	case !big.IsInt():
		d.fail(d.value.at, "Not a whole number", "%s must be a whole number, not %s.", d.key.name, d.show(big.Text('g', -1)))
	case accuracy != 0 || !d.key.bounds.hold(i):
		d.fail(d.value.at, "Out of range", "%s must be %s, not %s.", d.key.name, d.limits(), d.show(big.Text('f', 0)))
	}
	return i
}

func (d *decoder) float(v cty.Value) any {
	n, ok := d.primitive(v, cty.Number, d.value.at)
	if !ok {
		return nil
	}
	b := n.AsBigFloat()
	if l := d.key.bounds; l != (bounds{}) && (b.Cmp(big.NewFloat(float64(l.min))) < 0 || b.Cmp(big.NewFloat(float64(l.max))) > 0) {
		d.fail(d.value.at, "Out of range", "%s must be %s, not %s.", d.key.name, d.limits(), d.show(b.Text('g', -1)))
	}
	f, _ := b.Float64()
	return f
}

func (d *decoder) time(v cty.Value) any {
	if v.Type() == cty.Number {
		text := v.AsBigFloat().Text('f', -1)
		d.fail(d.value.at, "Duration without a unit", "%s is a duration and needs a unit: \"%ss\" for seconds, or ms, m, h.", d.key.name, d.show(text))
		return nil
	}
	s, ok := d.primitive(v, cty.String, d.value.at)
	if !ok {
		return nil
	}
	t, err := time.ParseDuration(s.AsString())
	if err != nil {
		if _, err := strconv.ParseFloat(s.AsString(), 64); err == nil {
			d.fail(d.value.at, "Duration without a unit", "%s is a duration and needs a unit: \"%ss\" for seconds, or ms, m, h.", d.key.name, d.show(s.AsString()))
		} else {
			d.fail(d.value.at, "Not a duration", "%s must be a duration such as \"500ms\", \"1.5s\" or \"2m\", not %s.", d.key.name, d.quote(s.AsString()))
		}
		return nil
	}
	if !d.key.bounds.hold(int64(t)) {
		d.fail(d.value.at, "Out of range", "%s must be %s, not %s.", d.key.name, d.limits(), d.show(t.String()))
	} else if d.key.step != 0 && t%d.key.step != 0 {
		d.fail(d.value.at, "Not in steps", "%s must be a multiple of %s, not %s.", d.key.name, d.key.step, d.show(t.String()))
	}
	return t
}

// limits says in words what the bounds are.
func (d *decoder) limits() string { return d.key.bounds.words(d.key.kind) }

func (d *decoder) show(text string) string {
	if d.hidden {
		return healthcheck.Hidden
	}
	return text
}

// quote is show for text.
func (d *decoder) quote(text string) string { return d.show(strconv.Quote(text)) }

func (d *decoder) addr(s string, at hcl.Range) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		hint := ""
		if _, err := netip.ParsePrefix(s); err == nil {
			hint = " A prefix length has no place here."
		}
		d.fail(at, "Not an IP address", "%s must be an IP address such as 192.0.2.1 or 2001:db8::1, not %s.%s", d.key.name, d.quote(s), hint)
	}
	return addr
}

func (d *decoder) prefix(s string, at hcl.Range) netip.Prefix {
	p, err := parsePrefix(s)
	if err != nil {
		d.fail(at, "Not an IP address", "%s must be an address with or without prefix length, such as 192.0.2.1/24, not %s.", d.key.name, d.quote(s))
	}
	return p
}

// parsePrefix reads an address with a prefix length, or a bare one as /32 or /128.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func (d *decoder) pairs(v cty.Value) any {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		d.fail(d.value.at, "Wrong type", "%s must be a map such as { name = \"value\" }, not %s.", d.key.name, a(t.FriendlyName()))
		return nil
	}
	out := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		name, e := it.Element()
		s, err := convert.Convert(e, cty.String)
		if err != nil || s.IsNull() {
			d.fail(d.value.at, "Wrong type", "The value of %q in %s must be a string, not %s.", name.AsString(), d.key.name, a(e.Type().FriendlyName()))
			continue
		}
		out[name.AsString()] = s.AsString()
	}
	return out
}
