package daemon

import (
	"fmt"
	"math"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/vrrp"
)

// unsigned tells, while a roll-out of HMAC is under way, of peers that do not sign yet, and
// of clocks that are so far apart that little more makes peers deaf for each other.
func unsigned(instances []api.Instance, now time.Time) (all []api.Warning) {
	add := func(kind, subject, text string, since time.Time) {
		all = append(all, api.Warning{Severity: string(events.Warning), Kind: kind, Subject: subject, Text: events.Line(text), Since: since})
	}
	for _, i := range instances {
		if i.HMAC == nil {
			continue
		}
		for _, p := range i.Peers {
			if i.HMAC.Mode == "permissive" && p.HeardUnsigned(now) {
				add("hmac_unsigned", i.Name, fmt.Sprintf("%s does not sign its advertisements: mode = \"enforce\" would cut it off; give it authentication with mode = \"permissive\"", p.Address), *p.UnsignedAt)
			}
			if i.HMAC.AntiReplay == "time" && p.SignedAt != nil && now.Sub(*p.SignedAt) < api.Lately && math.Abs(p.ClockOffset) > i.HMAC.Window/2 {
				add("clock", i.Name, fmt.Sprintf("the clock of %s is %+.0f s from this machine's; beyond the window of %.0f s its advertisements are discarded: set both by NTP", p.Address, p.ClockOffset, i.HMAC.Window), *p.SignedAt)
			}
		}
	}
	return all
}

// authentication adds who signs, and how this instance does.
func authentication(out *api.Instance, i vrrp.Status) {
	if h := i.HMAC; h != nil {
		out.HMAC = &api.HMAC{Mode: string(h.Mode), ActiveKey: int(h.ActiveKey), Keys: []int{}, AntiReplay: string(h.AntiReplay), Window: h.Window.Seconds()}
		for _, id := range h.Keys {
			out.HMAC.Keys = append(out.HMAC.Keys, int(id))
		}
	}
	for _, p := range i.Peers {
		out.Peers = append(out.Peers, api.Peer{
			Address: p.Address.String(), Key: int(p.Key), SignedAt: given(p.SignedAt), UnsignedAt: given(p.UnsignedAt), ClockOffset: p.ClockOffset.Seconds(),
		})
	}
}
