// Package terminal writes for people: colour where the output is a terminal and
// nowhere else, tables whose columns line up, times as "3m ago".
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Is says whether w is a terminal.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Colours says whether w shall be coloured: a terminal, without NO_COLOR
// (no-color.org), and not a dumb one.
func Colours(w io.Writer, getenv func(string) string) bool {
	return Is(w) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// Height is how many lines the terminal at w has, 0 where that is not known.
func Height(w io.Writer) int { return int(size(w).Row) }

// Width is how many columns the terminal at w has, 0 where that is not known.
func Width(w io.Writer) int { return int(size(w).Col) }

func size(w io.Writer) unix.Winsize {
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			return *size
		}
	}
	return unix.Winsize{}
}

// Style paints words. The zero value paints nothing.
type Style struct{ On bool }

// The colours and weights, as the SGR parameters of ECMA-48.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s Style) paint(code, text string) string {
	if !s.On || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for headings.
func (s Style) Bold(text string) string { return s.paint(bold, text) }

// Dim is for what matters less.
func (s Style) Dim(text string) string { return s.paint(dim, text) }

// Good is for what is as it should be.
func (s Style) Good(text string) string { return s.paint(green, text) }

// Warn is for what asks for a look.
func (s Style) Warn(text string) string { return s.paint(yellow, text) }

// Bad is for what is broken.
func (s Style) Bad(text string) string { return s.paint(red, text) }

// Note is for what is neither good nor bad.
func (s Style) Note(text string) string { return s.paint(cyan, text) }

// State colours a word of status by what it means.
func (s Style) State(word string) string {
	switch word {
	case "active", "up", "announced", "established":
		return s.Good(word)
	case "backup":
		return s.Note(word)
	case "fault", "down", "error", "withdrawn":
		return s.Bad(word)
	}
	return s.Warn(word) // initial, initialize, draining, disabled, degraded, warning
}

// Table lines up columns. Cells may be coloured: only what is seen counts.
type Table struct {
	Indent string
	rows   [][]string
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// String gives the table, two spaces between columns, none at the ends of lines.
func (t *Table) String() string {
	var widths []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], seen(c))
		}
	}
	var b strings.Builder
	for _, r := range t.rows {
		var line strings.Builder
		for i, c := range r {
			line.WriteString(c)
			if i < len(r)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-seen(c)+2))
			}
		}
		b.WriteString(strings.TrimRight(t.Indent+line.String(), " ") + "\n")
	}
	return b.String()
}

// seen is the width of a cell without its colours.
func seen(s string) int {
	n := 0
	for s != "" {
		if strings.HasPrefix(s, "\x1b[") {
			if end := strings.IndexByte(s, 'm'); end >= 0 {
				s = s[end+1:]
				continue
			}
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		n++
	}
	return n
}

// Ago says how long ago t was, in its two largest units.
func Ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// Amount writes a number with a unit prefix, as in 12.3k.
func Amount(n uint64) string {
	const units = "kMGTPE"
	if n < 10000 {
		return fmt.Sprint(n)
	}
	v := float64(n)
	i := -1
	for v >= 999.5 && i < len(units)-1 { // three digits of more are a thousand
		v /= 1000
		i++
	}
	return fmt.Sprintf("%.3g%c", v, units[i])
}
