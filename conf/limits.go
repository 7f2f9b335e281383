package conf

import (
	"fmt"
	"strings"
	"time"
)

// words says what bounds mean for a kind.
func (b bounds) words(k kind) string {
	if k != kindDuration {
		return fmt.Sprintf("%d to %d", b.min, b.max)
	}
	if b.min == 0 {
		return "at most " + shortDuration(time.Duration(b.max))
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
