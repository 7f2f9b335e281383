package events

import "strings"

// Subject names what the event happened to, "" for the daemon itself.
func (e Event) Subject() string {
	switch {
	case e.RealServer != "":
		return strings.TrimSpace(e.VirtualServer + " " + e.RealServer)
	case e.VirtualServer != "":
		return e.VirtualServer
	case e.Instance != "":
		return e.Instance
	case e.Announcement != "":
		return strings.TrimSpace(e.Announcement + " " + e.Prefix)
	}
	return e.Group
}

// Text is the event in one line without its time, for people.
func (e Event) Text() string {
	var parts []string
	if s := e.Subject(); s != "" {
		parts = append(parts, s+":")
	}
	parts = append(parts, strings.ReplaceAll(e.Kind, "_", " "))
	switch {
	case e.From != "" && e.To != "":
		to := e.To
		if to == "initialize" && e.Reason == "maintenance" { // VRRP's own word for it
			to, e.Reason = e.Reason, ""
		}
		parts = append(parts, e.From+" -> "+to)
	case e.To != "":
		parts = append(parts, e.To)
	}
	if e.Peer != "" {
		parts = append(parts, "with "+e.Peer)
	}
	text := strings.Join(parts, " ")
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}
