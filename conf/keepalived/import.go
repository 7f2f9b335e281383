package keepalived

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"usher/conf"
)

// Warning is something in the file that the import does not carry over, or not to
// the letter.
type Warning struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Directive string `json:"directive"`
	Reason    string `json:"reason"`
	// LeftOut is for an instance or a virtual server that is not in the import at all.
	LeftOut bool `json:"left_out,omitempty"`
}

// String gives it in one line, as compilers do.
func (w Warning) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", w.File, w.Line, w.Directive, w.Reason)
}

// Options of an import.
type Options struct {
	// ID is the config-id that @id conditions are compared with; the first
	// part of the host name where empty, as for keepalived.
	ID string
	// Instance is what ${_INSTANCE} stands for.
	Instance string
	// Exists says whether this machine has a program, so that one that it lacks is
	// told of; nil where that is not to be looked at.
	Exists func(path string) bool
}

// Import reads a keepalived.conf, with all that it includes, and gives HCL of the
// same meaning, which conf.Load accepts. The error is for files that cannot be
// read or expanded; all else is a warning.
func Import(path string, o Options) (hcl []byte, warnings []Warning, err error) {
	t := &translator{exists: o.Exists}
	r := newReader(o.ID, o.Instance, t.warnAt)
	if r.id == "" {
		host, _ := os.Hostname()
		r.id, _, _ = strings.Cut(host, ".") // its first part, as keepalived
	}
	if err := r.file(path); err != nil {
		return nil, t.warnings, err
	}
	r.strange()
	return t.finish(parse(r.lines, t.warnAt))
}

// finish translates and then takes out what does not load.
func (t *translator) finish(root *directive) ([]byte, []Warning, error) {
	tree := t.translate(root)
	for {
		text, owner := write(tree)
		_, diags := conf.CheckText("usher.hcl", text)
		if !diags.HasErrors() {
			t.missing(root, tree)
			return text, t.sorted(), nil
		}
		if !t.repair(tree, text, owner, diags) {
			return nil, t.sorted(), fmt.Errorf("keepalived: the import is not valid: %w", diags.Err())
		}
	}
}

// missing warns of each instance and virtual server that is not in the import as a whole.
func (t *translator) missing(root *directive, tree *out) {
	there := map[*directive]bool{}
	for _, i := range tree.items {
		there[i.from] = true
	}
	for _, d := range root.body {
		if name := d.name(); (name == "vrrp_instance" || name == "virtual_server") && !there[d] {
			t.warnings = append(t.warnings, Warning{File: d.file, Line: d.number, Directive: shown(d), Reason: "it is not in the import as a whole: usher would not serve it", LeftOut: true})
		}
	}
}

// repair takes the items out that errors are about, each with a warning that says
// why. It is false where no item is to blame, which no input should bring about.
func (t *translator) repair(tree *out, text []byte, owner []*item, diags conf.Diagnostics) bool {
	gone := map[*item]bool{}
	for _, d := range diags {
		if d.Severity != conf.SeverityError || d.Range == nil || d.Range.Start.Line > len(owner) {
			continue
		}
		i := owner[d.Range.Start.Line-1]
		if i != nil && i.within != nil && strings.HasPrefix(strings.TrimLeft(string(text[min(d.Range.End.Byte, len(text)):]), " "), "{") {
			i = i.within // the place is the block's label
		}
		if i == nil || gone[i] {
			continue
		}
		gone[i] = true
		what := i.key
		if what == "" {
			what = strings.TrimSpace(i.block + " " + strings.Join(i.labels, " "))
		}
		if element, rest, ok := i.lacking(string(text[d.Range.Start.Byte:d.Range.End.Byte])); ok {
			what, i.value = element+" in "+what, rest
		} else {
			tree.without(i)
		}
		reason := "left out, usher does not accept it: " + strings.TrimSpace(d.Detail)
		if i.from == nil {
			t.warnAt("", 0, what, reason)
			continue
		}
		if what != shown(i.from) {
			reason = what + " " + reason
		}
		t.warn(i.from, reason)
	}
	return len(gone) > 0
}

// lacking is the value of a list without one element, if the text is that of one
// and others are left.
func (i *item) lacking(text string) (element string, rest cty.Value, ok bool) {
	if i.key == "" || !i.value.Type().IsTupleType() || i.value.LengthInt() < 2 {
		return "", cty.NilVal, false
	}
	all := i.value.AsValueSlice()
	for n, e := range all {
		if expression(e, "") == text {
			return text, cty.TupleVal(slices.Delete(all, n, n+1)), true
		}
	}
	return "", cty.NilVal, false
}
