package healthcheck

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"no answer within 1s":           "no answer within 1s",
		"Zürich, 東京, ☃ and back\\slash": "Zürich, 東京, ☃ and back\\slash",
		"\x1b[2J\x1b]0;owned\x07":       `\x1b[2J\x1b]0;owned\x07`,
		"one\r\ntwo\tthree":             `one\r\ntwo\tthree`,
		"a\x00b\x7fc":                   `a\x00b\x7fc`,
		"\u009b31m":                     `\u009b31m`,             // CSI of 8 bits
		"\u202egpj.exe\u2066":           `\u202egpj.exe\u2066`,   // right to left
		"zero\u200bwidth\ufeff":         `zero\u200bwidth\ufeff`, // not seen
		"line\u2028sep\u2029":           `line\u2028sep\u2029`,   // line ends, too
		"tag\U000e0041":                 `tag\U000e0041`,         // not seen
		"\xff\xfe\xc3(":                 `\xff\xfe\xc3(`,         // not UTF-8
		strings.Repeat("x", MaxText):    strings.Repeat("x", MaxText),
		strings.Repeat("x", MaxText+1):  strings.Repeat("x", MaxText-3) + "...",
		strings.Repeat("\x1b", MaxText): strings.Repeat(`\x1b`, MaxText/4-1) + "...",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is %q; want %q", in, got, want)
		}
	}
}

// FuzzPrintable: whatever comes, what is shown is bounded, is UTF-8 that a terminal
// prints, and stays as it is when it is made printable again.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred", "a\r\nb", "\xff\x80", "\u202e", "\u009b", strings.Repeat("é", MaxText), strings.Repeat("\x00", MaxText)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Printable(s)
		if len(got) > MaxText {
			t.Errorf("%d bytes", len(got))
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q is no UTF-8", got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %U", got, r)
			}
		}
		if again := Printable(got); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
		if len(s) <= MaxText && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 && got != s {
			t.Errorf("%q was changed to %q without need", s, got)
		}
	})
}
