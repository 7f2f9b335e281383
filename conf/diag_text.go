package conf

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text writes the diagnostics for people, many warnings of one kind as one, with source line and caret, in colour
// for a terminal that has it.
func (ds Diagnostics) Text(colour bool) string {
	var b strings.Builder
	for _, d := range ds.Merged() {
		d.text(&b, colour)
	}
	return b.String()
}

func (d Diagnostic) text(b *strings.Builder, colour bool) {
	title, paint, dim, off := "Error", "", "", ""
	if d.Severity == SeverityWarning {
		title = "Warning"
	}
	if colour {
		paint, dim, off = "\x1b[1;31m", "\x1b[2m", "\x1b[0m"
		if d.Severity == SeverityWarning {
			paint = "\x1b[1;33m"
		}
	}
	fmt.Fprintf(b, "%s%s%s: %s\n\n", paint, title, off, d.Summary)
	if d.Range != nil {
		in := ""
		if d.Context != "" {
			in = ", in " + d.Context
		}
		fmt.Fprintf(b, "  on %s line %d%s:\n", d.Range.Filename, d.Range.Start.Line, in)
		gutter := fmt.Sprintf("%4d: ", d.Range.Start.Line)
		fmt.Fprintf(b, "%s%s%s%s\n", dim, gutter, off, d.Source)
		before, marks := d.caret()
		fmt.Fprintf(b, "%s%s%s%s%s\n", strings.Repeat(" ", len(gutter)), before, paint, marks, off)
		for _, v := range d.Values {
			fmt.Fprintf(b, "      %s\n", v)
		}
		b.WriteByte('\n')
	}
	if d.Detail != "" {
		fmt.Fprintf(b, "%s\n\n", d.Detail)
	}
}

// caret underlines the place in the source line. What stands before it is blank,
// with tabs kept so that the carets stand below their text.
func (d Diagnostic) caret() (before, marks string) {
	start := min(d.offset, len(d.Source))
	before = strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, d.Source[:start])
	end := len(d.Source)
	if d.Range.End.Line == d.Range.Start.Line {
		end = min(start+d.Range.End.Byte-d.Range.Start.Byte, end)
	}
	n := 1
	if end > start {
		n = utf8.RuneCountInString(d.Source[start:end])
	}
	return before, strings.Repeat("^", n)
}
