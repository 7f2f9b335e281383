package cli

import (
	"fmt"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

// signing says how an instance authenticates its advertisements, and which of the peers
// that were heard do: "" where there is no HMAC.
func signing(i api.Instance, now time.Time) string {
	if i.HMAC == nil {
		return ""
	}
	text := fmt.Sprintf("hmac %s, key %d", i.HMAC.Mode, i.HMAC.ActiveKey)
	for _, p := range i.Peers {
		does, at := fmt.Sprintf("signed with key %d", p.Key), p.SignedAt
		if p.Key == 0 {
			does, at = "unsigned", p.UnsignedAt
		}
		text += fmt.Sprintf("; %s heard %s", p.Address, does)
		if at != nil {
			text += " " + terminal.Ago(now, *at) + " ago"
		}
	}
	return text
}
