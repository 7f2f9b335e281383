package daemon

import (
	"slices"

	"usher/cmd/usher/internal/api"
	"usher/director/announce"
)

// announcements adds what is announced, and by which sessions.
func announcements(s *api.Status, now snapshot) {
	if now.announcer == nil {
		return
	}
	for _, a := range now.announcer.Status() {
		s.Announcements = append(s.Announcements, announcement(a, slices.Contains(now.withdrawn, a.Name)))
	}
	for _, p := range now.announcer.Sessions() {
		s.Sessions = append(s.Sessions, bgpSession(p))
	}
	if n, err := now.announcer.Unclaimed(); err == nil {
		s.Unclaimed = n
	}
}

func announcement(a announce.Status, withdrawn bool) api.Announcement {
	out := api.Announcement{
		Name: a.Name, VirtualServers: append([]string{}, a.Pools...), Addresses: []api.AnnouncementPrefix{},
		Withdrawn: withdrawn, Removed: a.Removed, Withdrawals: a.Withdrawals,
	}
	for _, p := range a.Prefixes {
		out.Addresses = append(out.Addresses, api.AnnouncementPrefix{
			Prefix: p.Prefix.String(), State: p.Phase.Word(), Phase: string(p.Phase), Reason: string(p.Reason), Text: p.Text,
			Since: p.Since, Until: given(p.Until),
		})
	}
	return out
}

// bgpSession is a session for people and programs.
func bgpSession(p announce.Session) api.Session {
	out := api.Session{
		Peer: p.Peer.String(), ASN: p.ASN, State: string(p.State), Reason: p.Reason, Since: given(p.Since), HoldTime: p.HoldTime.Seconds(),
		Families: []string{}, BFD: p.BFD, BFDReason: p.BFDReason, Flaps: p.Flaps, Refused: p.Refused,
	}
	if p.IPv4 {
		out.Families = append(out.Families, "ipv4")
	}
	if p.IPv6 {
		out.Families = append(out.Families, "ipv6")
	}
	return out
}
