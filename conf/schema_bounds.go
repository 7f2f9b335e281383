package conf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// hold tells whether a number or duration is within bounds.
func (b bounds) hold(i int64) bool { return b == (bounds{}) || i >= b.min && i <= b.max }

// allows tells whether a text, or an element of texts, may be s.
func (k *key) allows(s string) bool { return k.oneOf == nil || slices.Contains(k.oneOf, s) }

// words says what bounds mean for a kind.
func (b bounds) words(k kind) string {
	if k != kindDuration {
		return fmt.Sprintf("%d to %d", b.min, b.max)
	}
	return shortDuration(time.Duration(b.min)) + " to " + shortDuration(time.Duration(b.max))
}

// shortDuration writes 2m for 2m0s.
func shortDuration(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
