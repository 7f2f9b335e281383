// Package redact keeps secret values out of texts for people and programs. It looks for
// the values themselves, wherever they turn up, not for the places that they should be
// in: a server sends back what it was told, a password stands where an interface belongs.
//
//	var secrets redact.Live
//	secrets.Know(config.Secrets())
//	fmt.Println(secrets.Text(answer)) // "(hidden)" in the place of each
package redact

import (
	"net/netip"
	"slices"
	"strings"
)

// Hidden stands where a secret was.
const Hidden = "(hidden)"

// Where the line is between a secret that is looked for everywhere and a word that has to
// stay readable, in bytes.
const (
	// Least is the length of the shortest secret. Shorter values, 80 or eth0, are words of
	// every other message, and nobody is kept from guessing them.
	Least = 5
	// Anywhere is the length from which a secret is found within other words, too. A
	// shorter one counts where it stands by itself, no letter, digit, _ or - beside it.
	// Digits alone are as long at least: ports, identifiers, counts are shorter.
	Anywhere = 8
)

// cut ends a quoted text of which only the beginning is shown.
const cut = `"...`

// Set is some secrets, ready to be looked for. It does not change and is safe for
// concurrent use; nil is the set of none.
type Set struct {
	heads  map[[headSize]byte][]form // by their first bytes, the longest first
	short  []form                    // those that have fewer, likewise
	filter []uint64                  // bits of hashes of the heads: most places are passed by
	shift  uint

	cuts    bool // some form can be cut off
	longest int  // bytes of a form
	least   int  // bytes of a beginning that is hidden where a text is cut off
}

const headSize = 3

// form is one way in which a secret is written.
type form struct {
	text string
	word bool // only where it stands by itself
}

// Exactly is the set of these values, however short, for the words of one who was told
// them. Empty values are passed over.
func Exactly(values ...string) *Set {
	var forms []form
	for _, v := range values {
		if v != "" {
			forms = append(forms, formsOf(v, false)...)
		}
	}
	return newSet(forms, 1)
}

// Everywhere is the set of those values that can be looked for in all that a program
// says without destroying it. See Least and Anywhere; an address is no secret either:
// whoever is on the network sees it, and programs read it.
func Everywhere(values []string) *Set {
	var forms []form
	for _, v := range values {
		if Worth(v) {
			forms = append(forms, formsOf(v, len(v) < Anywhere)...)
		}
	}
	return newSet(forms, headSize)
}

// Worth says whether a value is looked for by Everywhere.
func Worth(v string) bool {
	if len(v) < Least || len(v) < Anywhere && strings.Trim(v, "0123456789") == "" {
		return false
	}
	if _, err := netip.ParseAddr(v); err == nil {
		return false
	}
	if _, err := netip.ParsePrefix(v); err == nil {
		return false
	}
	_, err := netip.ParseAddrPort(v)
	return err != nil
}

func newSet(forms []form, least int) *Set {
	if len(forms) == 0 {
		return nil
	}
	// The longest first: one secret may be part of another. Of two that are the same, the
	// one that is found anywhere.
	slices.SortFunc(forms, func(a, b form) int {
		if d := len(b.text) - len(a.text); d != 0 {
			return d
		}
		if d := strings.Compare(a.text, b.text); d != 0 || a.word == b.word {
			return d
		}
		if b.word {
			return -1
		}
		return 1
	})
	forms = slices.CompactFunc(forms, func(a, b form) bool { return a.text == b.text })
	s := &Set{heads: make(map[[headSize]byte][]form, len(forms)), longest: len(forms[0].text), least: least, filter: make([]uint64, 16), shift: 32 - 10}
	if len(forms) > 64 {
		s.filter, s.shift = make([]uint64, 1024), 32-16
	}
	for _, f := range forms {
		s.cuts = s.cuts || !f.word
		if len(f.text) < headSize {
			s.short = append(s.short, f)
			continue
		}
		k := head(f.text)
		s.heads[k] = append(s.heads[k], f)
		h := s.hash(k)
		s.filter[h/64] |= 1 << (h % 64)
	}
	return s
}

func head(s string) [headSize]byte { return [headSize]byte{s[0], s[1], s[2]} }

func (s *Set) hash(k [headSize]byte) uint32 {
	return (uint32(k[0]) | uint32(k[1])<<8 | uint32(k[2])<<16) * multiplier >> s.shift
}

// multiplier spreads what is hashed over all bits: the golden ratio's.
const multiplier = 0x9e3779b1

// candidates are the forms that may begin at a place, but for the short ones.
func (s *Set) candidates(text string, at int) []form {
	if at+headSize > len(text) {
		return nil
	}
	return s.heads[head(text[at:])]
}

// next is where the next secret begins from a place on, and its length; 0 where there is
// none.
func (s *Set) next(text string, at int) (place, n int) {
	filter, shift := s.filter, s.shift
	for ; at < len(text); at++ {
		if len(s.short) == 0 {
			if at+headSize > len(text) {
				return 0, 0
			}
			h := (uint32(text[at]) | uint32(text[at+1])<<8 | uint32(text[at+2])<<16) * multiplier >> shift
			if filter[h/64]&(1<<(h%64)) == 0 {
				continue
			}
		}
		for _, f := range s.candidates(text, at) {
			if f.at(text, at) {
				return at, len(f.text)
			}
		}
		for _, f := range s.short {
			if f.at(text, at) {
				return at, len(f.text)
			}
		}
	}
	return 0, 0
}

func (f form) at(text string, at int) bool {
	if !strings.HasPrefix(text[at:], f.text) {
		return false
	}
	end := at + len(f.text)
	return !f.word || (at == 0 || !inWord(text[at-1])) && (end == len(text) || !inWord(text[end]))
}

func inWord(b byte) bool {
	return b == '_' || b == '-' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// replace puts what with gives in the place of each secret of so many bytes.
func (s *Set) replace(text string, with func(n int) string) string {
	if s == nil {
		return text
	}
	at, n := s.next(text, 0)
	if n == 0 {
		return text
	}
	var b strings.Builder
	done := 0
	for ; n > 0; at, n = s.next(text, done) {
		b.WriteString(text[done:at])
		b.WriteString(with(n))
		done = at + n
	}
	b.WriteString(text[done:])
	return b.String()
}

// Text is a text with Hidden in the place of secrets: each as it is and in the forms that
// it takes in quotations, URLs, JSON, base64 and hexadecimal. At the end of a quotation
// that is cut off (`"begin"...`) the beginning of a secret is hidden, too.
func (s *Set) Text(text string) string {
	if s == nil || text == "" {
		return text
	}
	text = s.replace(text, func(int) string { return Hidden })
	if !s.cuts || !strings.Contains(text, cut) {
		return text
	}
	parts := strings.Split(text, cut)
	for i, part := range parts[:len(parts)-1] {
		if n := s.beginning(part); n > 0 {
			parts[i] = part[:len(part)-n] + Hidden
		}
	}
	return strings.Join(parts, cut)
}

// beginning is the length of the longest beginning of a secret that text ends with.
func (s *Set) beginning(text string) int {
	for at := max(0, len(text)-s.longest+1); at < len(text); at++ {
		tail := text[at:]
		if len(tail) < s.least {
			return 0
		}
		begins := func(f form) bool { return !f.word && strings.HasPrefix(f.text, tail) }
		if slices.ContainsFunc(s.candidates(text, at), begins) || slices.ContainsFunc(s.short, begins) {
			return len(tail)
		}
		if len(tail) < headSize {
			for _, all := range s.heads {
				if slices.ContainsFunc(all, begins) {
					return len(tail)
				}
			}
		}
	}
	return 0
}

// Stars is a text with as many stars in the place of secrets as these have bytes, so that
// what is beside them stays where it was.
func (s *Set) Stars(text string) string {
	return s.replace(text, func(n int) string { return strings.Repeat("*", n) })
}

// Error is an error with Hidden in the place of secrets in its words. It wraps the error,
// which is nil where that is.
func (s *Set) Error(err error) error {
	if err == nil || s == nil {
		return err
	}
	text := err.Error()
	shown := s.Text(text)
	if shown == text {
		return err
	}
	return &redacted{err, shown}
}

type redacted struct {
	error
	text string
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.error }
