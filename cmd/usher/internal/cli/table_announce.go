package cli

import (
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

// announced shows what is announced by BGP, and to whom; "" where nothing is.
func announced(s api.Status, now time.Time, style terminal.Style, width int) string {
	var b strings.Builder
	if len(s.Announcements) > 0 {
		b.WriteString("\n" + announcementTable(s, now, style, width))
	}
	if len(s.Sessions) > 0 {
		b.WriteString("\n" + sessionTable(s, now, style, width))
	}
	return b.String()
}

func announcementTable(s api.Status, now time.Time, style terminal.Style, width int) string {
	t := newRows("", width, heads(style, "ANNOUNCE", "ADDRESS", "STATE", "SINCE", "WITHDRAWALS", "VIRTUAL SERVERS")...)
	for _, a := range s.Announcements {
		for _, p := range a.Addresses {
			why := p.Text
			if p.Until != nil {
				if left := p.Until.Sub(now); left > 0 {
					why += fmt.Sprintf(" (%s to go)", left.Round(time.Second))
				}
			}
			if p.State != "announced" {
				why = style.Warn(why)
			}
			t.add(why, a.Name, p.Prefix, style.State(p.State), terminal.Ago(now, p.Since), fmt.Sprint(a.Withdrawals), addresses(a.VirtualServers))
		}
	}
	return t.String()
}

func sessionTable(s api.Status, now time.Time, style terminal.Style, width int) string {
	t := newRows("", width, heads(style, "BGP PEER", "ASN", "STATE", "SINCE", "HOLD", "FAMILIES", "BFD", "FLAPS")...)
	for _, p := range s.Sessions {
		since, hold := "-", "-"
		if p.Since != nil {
			since = terminal.Ago(now, *p.Since)
		}
		if p.HoldTime > 0 {
			hold = fmt.Sprintf("%gs", p.HoldTime)
		}
		why := p.Reason
		if p.BFDReason != "" {
			why = strings.TrimPrefix(why+"; BFD: "+p.BFDReason, "; ")
		}
		t.add(style.Warn(why), p.Peer, fmt.Sprint(p.ASN), style.State(p.State), since, hold, dash(strings.Join(p.Families, " ")), dash(p.BFD), fmt.Sprint(p.Flaps))
	}
	return t.String()
}
