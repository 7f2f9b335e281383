package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// formsOf are the ways in which a value is written: as it is, quoted by Go and by JSON, in
// a URL, in HTML, in base64 and hexadecimal.
func formsOf(v string, word bool) []form {
	forms := make([]form, 0, 12)
	add := func(text string, word bool) {
		if text != "" {
			forms = append(forms, form{text, word})
		}
	}
	add(v, word)
	if strings.ContainsFunc(v, special) {
		quoted := strconv.Quote(v)
		add(quoted[1:len(quoted)-1], word)
		// A string can always be encoded.
		document, _ := json.Marshal(v)
		add(string(document[1:len(document)-1]), word)
		for _, escaped := range []string{url.QueryEscape(v), url.PathEscape(v)} {
			add(escaped, word)
			add(strings.ToLower(escaped), word)
		}
		add(html.EscapeString(v), word)
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		add(encoding.EncodeToString([]byte(v)), word)
		if len(v) >= Anywhere {
			for before := range 3 {
				add(inBase64(encoding, v, before), false)
			}
		}
	}
	if len(v) >= Least {
		digits := hex.EncodeToString([]byte(v))
		add(digits, false)
		add(strings.ToUpper(digits), false)
	}
	return forms
}

// special are the characters that some form writes otherwise.
func special(r rune) bool { return r > '~' || r <= ' ' || !inWord(byte(r)) }

// inBase64 is that part of the base64 of something longer which says v and nothing else,
// where so many bytes modulo 3 come before it: "user:v" is sent like this.
func inBase64(encoding *base64.Encoding, v string, before int) string {
	text := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + v))
	from := (8*before + 5) / 6
	to := 8 * (before + len(v)) / 6
	return text[from:to]
}
