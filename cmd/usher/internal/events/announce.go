package events

import "usher/director/announce"

// FromAnnounce translates what happened to announcements and the sessions that they go by.
func FromAnnounce(e announce.Event) Event {
	out := Event{
		Time: e.Time, Severity: Info, Kind: string(e.Kind), Announcement: e.Announcement,
		From: e.From, To: e.To, Reason: e.Text,
	}
	if e.Prefix.IsValid() {
		out.Prefix = e.Prefix.String()
	}
	if e.Peer.IsValid() {
		out.Peer = e.Peer.String()
	}
	switch e.Kind {
	case announce.EventAnnouncement:
		if e.Reason.Failure() {
			out.Severity = Error
		}
	case announce.EventSession:
		if e.To != string(announce.Established) {
			out.Severity = Warning
		}
	case announce.EventSpeaker:
		if e.To != "up" {
			out.Severity = Error
		}
	case announce.EventError:
		out.Severity = Error
	}
	return out
}
