package keepalived

import (
	"strings"
	"unicode/utf8"
)

// asUTF8 is text with each byte that is no UTF-8 taken for a letter of ISO 8859-1,
// as older files have them in comments; at is where the first of them is in the
// result, -1 for none.
func asUTF8(text []byte) (s string, at int) {
	if utf8.Valid(text) {
		return string(text), -1
	}
	var b strings.Builder
	at = -1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			r = rune(text[0])
			if at < 0 {
				at = b.Len()
			}
		}
		b.WriteRune(r)
		text = text[size:]
	}
	return b.String(), at
}
