package conf

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// present turns HCL's diagnostics into ones that carry their source line, in the
// order of files and lines, each once.
func present(sources []*source, diags hcl.Diagnostics) Diagnostics {
	order := map[string]int{}
	byName := map[string]*source{}
	texts := map[*source][]byte{}
	for i, s := range sources {
		order[s.name] = i + 1
		byName[s.name] = s
	}
	var all Diagnostics
	for _, d := range diags {
		out := Diagnostic{Severity: SeverityError, Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			out.Severity = SeverityWarning
		}
		if d.Subject != nil {
			out.Range = &Range{Filename: d.Subject.Filename, Start: position(d.Subject.Start), End: position(d.Subject.End)}
			if s := byName[d.Subject.Filename]; s != nil && s.file != nil {
				if texts[s] == nil {
					texts[s] = masked(s)
				}
				out.Source, out.offset = line(texts[s], d.Subject.Start.Byte)
				out.Context = around(s.file, d.Subject.Start)
			}
		}
		if d.Expression != nil && d.EvalContext != nil {
			out.Values = values(d.Expression, d.EvalContext)
		}
		all = append(all, out)
	}
	slices.SortStableFunc(all, func(a, b Diagnostic) int {
		if a.Range == nil || b.Range == nil {
			return cmp.Compare(boolInt(a.Range != nil), boolInt(b.Range != nil))
		}
		return cmp.Or(
			cmp.Compare(order[a.Range.Filename], order[b.Range.Filename]),
			cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte),
		)
	})
	return slices.CompactFunc(all, func(a, b Diagnostic) bool {
		return a.Summary == b.Summary && a.Detail == b.Detail && a.Range != nil && b.Range != nil && *a.Range == *b.Range
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// line is the source line that holds the byte at offset, without its end, and the
// offset within it.
func line(text []byte, offset int) (string, int) {
	offset = min(max(offset, 0), len(text))
	start := bytes.LastIndexByte(text[:offset], '\n') + 1
	end := bytes.IndexByte(text[offset:], '\n')
	if end < 0 {
		end = len(text) - offset
	}
	return strings.TrimSuffix(string(text[start:offset+end]), "\r"), offset - start
}

// around names the blocks that hold a place, from the outermost in.
func around(file *hcl.File, at hcl.Pos) string {
	var words []string
	for _, b := range file.BlocksAtPos(at) {
		word := b.Type
		if secretLine().MatchString(b.Type + " label") { // an argument without its equals sign
			words = append(words, word)
			continue
		}
		for _, l := range b.Labels {
			if b.Type == webhookName {
				l = maskURL(l)
			}
			word += fmt.Sprintf(" %q", l)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// values tells what the names in an expression stand for, since the same line is
// evaluated more than once in a dynamic block. Sensitive values are left out.
func values(expr hcl.Expression, ctx *hcl.EvalContext) []string {
	var all []string
	for _, t := range expr.Variables() {
		v, diags := t.TraverseAbs(ctx)
		if diags.HasErrors() || !v.IsWhollyKnown() || v.ContainsMarked() {
			continue
		}
		if text, ok := short(v); ok {
			all = append(all, traversal(t)+" is "+text)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// short writes a primitive value as HCL would.
func short(v cty.Value) (string, bool) {
	if v.IsNull() {
		return "null", true
	}
	switch v.Type() {
	case cty.String:
		return fmt.Sprintf("%q", v.AsString()), true
	case cty.Number:
		return v.AsBigFloat().Text('g', -1), true
	case cty.Bool:
		return fmt.Sprint(v.True()), true
	}
	return "", false
}

// traversal writes a reference as the file has it.
func traversal(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			if text, ok := short(s.Key); ok {
				b.WriteString("[" + text + "]")
			}
		}
	}
	return b.String()
}
