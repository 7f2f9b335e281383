package healthcheck

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the most bytes of a text that Printable lets through.
const MaxText = 1024

// Printable makes a text from outside (a server's, a program's, a peer's) fit for
// terminals, logs and pages. What a terminal would obey instead of showing it, or what
// changes how the rest is read, is made visible as Go writes it in a string: control
// characters, line ends, escapes, invisible and bidirectional formatting characters
// (Unicode's Cf), private and unassigned ones, and bytes that are no UTF-8. A text that is
// too long is cut, with "..." at its end. Printable(Printable(s)) is Printable(s).
//
// The engine gives every result's reason through it, whatever the check; texts that enter
// elsewhere are given through it there.
func Printable(s string) string {
	if len(s) <= MaxText && plain(s) {
		return s
	}
	const cut = "..."
	var b strings.Builder
	fits := 0 // bytes of b after which there is room for cut
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		shown := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			shown = fmt.Sprintf(`\x%02x`, s[i])
		case unicode.IsPrint(r):
		case r == '\n':
			shown = `\n`
		case r == '\r':
			shown = `\r`
		case r == '\t':
			shown = `\t`
		case r < utf8.RuneSelf:
			shown = fmt.Sprintf(`\x%02x`, r)
		case r < 0x10000:
			shown = fmt.Sprintf(`\u%04x`, r)
		default:
			shown = fmt.Sprintf(`\U%08x`, r)
		}
		i += size
		b.WriteString(shown)
		if b.Len() <= MaxText-len(cut) {
			fits = b.Len()
		}
		if b.Len() > MaxText {
			return b.String()[:fits] + cut
		}
	}
	return b.String()
}

// plain says that all of a text is printable ASCII, as nearly every text is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
