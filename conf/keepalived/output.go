package keepalived

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// out is the body of an HCL block while it is put together, in order.
type out struct{ items []*item }

// item is one thing in a body: a comment, an argument or a block.
type item struct {
	comment string
	blank   bool      // a blank line
	key     string    // of an argument
	value   cty.Value // of an argument
	block   string    // type of a block
	labels  []string
	body    *out
	trail   string // comment behind it
	from    *directive
	within  *item // the block that is written on one line with this argument
}

// note adds comments, as they are but for their sign.
func (o *out) note(comments ...string) {
	for _, c := range comments {
		o.items = append(o.items, &item{comment: sign(c)})
	}
}

// sign gives a comment HCL's sign; keepalived's other one is an exclamation mark.
func sign(c string) string {
	return "#" + strings.TrimPrefix(strings.TrimPrefix(c, "!"), "#")
}

func (o *out) find(key string) *item {
	for _, i := range o.items {
		if i.key == key && key != "" {
			return i
		}
	}
	return nil
}

// list is the texts of an argument of a body, none where there is no such.
func (o *out) list(key string) (all []string) {
	if o == nil {
		return nil
	}
	if i := o.find(key); i != nil && i.value.Type().IsTupleType() {
		for _, v := range i.value.AsValueSlice() {
			all = append(all, v.AsString())
		}
	}
	return all
}

// set gives an argument its value, the last one given as in keepalived.
func (o *out) set(key string, value cty.Value, from *directive) {
	if i := o.find(key); i != nil {
		i.value, i.from = value, from
		return
	}
	o.items = append(o.items, &item{key: key, value: value, from: from})
}

func (o *out) text(key, value string, from *directive) { o.set(key, cty.StringVal(value), from) }
func (o *out) number(key string, value int, from *directive) {
	o.set(key, cty.NumberIntVal(int64(value)), from)
}
func (o *out) flag(key string, value bool, from *directive) { o.set(key, cty.BoolVal(value), from) }

func (o *out) texts(key string, values []string, from *directive) {
	if len(values) == 0 {
		return
	}
	o.set(key, list(values), from)
}

func list(values []string) cty.Value {
	var all []cty.Value
	for _, v := range values {
		all = append(all, cty.StringVal(v))
	}
	return cty.TupleVal(all)
}

// add puts one more text into a list.
func (o *out) add(key, value string, from *directive) {
	if i := o.find(key); i != nil {
		i.value = cty.TupleVal(append(i.value.AsValueSlice(), cty.StringVal(value)))
		return
	}
	o.set(key, list([]string{value}), from)
}

// open begins a block.
func (o *out) open(block string, from *directive, labels ...string) *out {
	body := &out{}
	o.items = append(o.items, &item{block: block, labels: labels, body: body, from: from})
	return body
}

// shared is the one block of a kind, begun when it is first needed.
func (o *out) shared(block string, from *directive) *out {
	for _, i := range o.items {
		if i.block == block {
			return i.body
		}
	}
	return o.open(block, from)
}

// without takes an item out, wherever in the tree it is.
func (o *out) without(gone *item) {
	for n, i := range o.items {
		if i == gone {
			o.items = append(o.items[:n], o.items[n+1:]...)
			return
		}
		if i.body != nil {
			i.body.without(gone)
		}
	}
}

// printer writes a tree as text and remembers what each line is of.
type printer struct {
	lines []string
	owner []*item
}

func (p *printer) put(owner *item, text string) {
	for l := range strings.SplitSeq(text, "\n") {
		p.lines = append(p.lines, l)
		p.owner = append(p.owner, owner)
	}
}

// print writes a body; top-level blocks stand apart.
func (p *printer) print(o *out, depth int) {
	indent := strings.Repeat("  ", depth)
	for n, i := range o.items {
		if n > 0 && o.items[n-1].comment == "" && !o.items[n-1].blank && !i.blank && apart(o, n, depth) {
			p.put(nil, "")
		}
		trail := ""
		if i.trail != "" {
			trail = " " + sign(i.trail)
		}
		switch {
		case i.blank:
			p.put(nil, "")
		case i.comment != "":
			p.put(i, indent+i.comment)
		case i.key != "":
			p.put(i, indent+i.key+" = "+expression(i.value, indent)+trail)
		case len(i.body.items) == 0:
			p.put(i, indent+header(i)+" {}"+trail)
		case short(i.body):
			one := i.body.items[0]
			one.within = i
			p.put(one, indent+header(i)+" { "+one.key+" = "+expression(one.value, indent)+" }"+trail)
		default:
			p.put(i, indent+header(i)+" {"+trail)
			p.print(i.body, depth+1)
			p.put(i, indent+"}")
		}
	}
}

// short says whether a body fits on the line of its header. What is wrong with
// the one argument is told apart from the block by the owner of the line.
func short(o *out) bool {
	one := o.items[0]
	return len(o.items) == 1 && one.key != "" && one.trail == "" && len(expression(one.value, "")) < 60
}

// apart says whether a blank line comes before item n: before blocks, and before
// the comments that lead to one.
func apart(o *out, n, depth int) bool {
	for n < len(o.items) && o.items[n].comment != "" {
		n++
	}
	if n == len(o.items) {
		return depth == 0
	}
	return o.items[n].block != "" && (depth == 0 || len(o.items[n].body.items) > 0 && !short(o.items[n].body))
}

func header(i *item) string {
	words := []string{i.block}
	for _, l := range i.labels {
		words = append(words, quote(l))
	}
	return strings.Join(words, " ")
}

func quote(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

// expression writes a value; a long list gets a line for each element.
func expression(v cty.Value, indent string) string {
	text := string(hclwrite.TokensForValue(v).Bytes())
	if !v.Type().IsTupleType() || len(text) < 90 || v.LengthInt() < 2 {
		return text
	}
	var b strings.Builder
	b.WriteString("[\n")
	for _, e := range v.AsValueSlice() {
		b.WriteString(indent + "  " + string(hclwrite.TokensForValue(e).Bytes()) + ",\n")
	}
	return b.String() + indent + "]"
}

// write gives the formatted text and the item that each of its lines is of.
func write(o *out) ([]byte, []*item) {
	p := &printer{}
	p.print(o, 0)
	return hclwrite.Format([]byte(strings.Join(p.lines, "\n") + "\n")), p.owner
}
