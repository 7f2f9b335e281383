package keepalived

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// hexKey writes a payload; keepalived has spaces between bytes, at the end of a word a
// byte of one digit, and x for any digit of an answer.
func (t *translator) hexKey(c *directive, b *out, key string, wild bool) {
	text := ""
	for _, word := range c.args() {
		if n := len(word); n%2 == 1 {
			word = word[:n-1] + "0" + word[n-1:]
		}
		text += strings.ToLower(word)
	}
	digits := text
	if wild {
		digits = strings.ReplaceAll(text, "x", "0")
	}
	if _, err := hex.DecodeString(digits); err != nil {
		t.warn(c, fmt.Sprintf("%q is not hexadecimal", text))
		return
	}
	b.text(key, text, c)
}
