package keepalived

import (
	"net/netip"
	"slices"
	"strings"
)

// mail is how alerts are sent.
type mail struct {
	to                 []string
	from, server, helo string
	timeout            *directive
	all, vrrp, checker *directive // smtp_alert and its kinds
	source             *directive
}

func (m *mail) read(d *directive) {
	for _, c := range d.body {
		switch c.name() {
		case "notification_email":
			m.to, m.source = append(m.to, c.items()...), c
		case "notification_email_from":
			m.from = strings.Join(c.args(), " ")
		case "smtp_server":
			m.server = c.arg(0)
			if a, err := netip.ParseAddr(m.server); err == nil && a.Is6() {
				m.server = "[" + m.server + "]"
			}
			if m.server != "" && c.arg(1) != "" {
				m.server += ":" + c.arg(1)
			}
		case "smtp_helo_name":
			m.helo = c.arg(0)
		case "smtp_connect_timeout":
			m.timeout = c
		case "smtp_alert":
			m.all = c
		case "smtp_alert_vrrp":
			m.vrrp = c
		case "smtp_alert_checker":
			m.checker = c
		}
	}
}

func (m *mail) complete() bool { return len(m.to) > 0 && m.server != "" }

// write opens an email block.
func (t *translator) email(o *out, from *directive, words []string) {
	m := t.mail
	b := o.open("email", from)
	b.text("server", m.server, from)
	if m.from == "" {
		t.warn(m.source, "keepalived makes the sender of user and host; keepalived@localhost is written")
		m.from = "keepalived@localhost"
	}
	b.text("from", m.from, from)
	b.texts("to", m.to, from)
	b.texts("on", words, from)
	b.text("starttls", "never", from)
	if m.helo != "" {
		b.text("helo", m.helo, from)
	}
	if m.timeout != nil {
		if s, ok := t.seconds(m.timeout, m.timeout.arg(0)); ok {
			b.text("timeout", s, m.timeout)
		}
	}
}

// asked says whether mail of a kind is wanted in global_defs; standard is what
// keepalived does where nothing is said.
func (m *mail) asked(t *translator, kind *directive, standard bool) bool {
	switch {
	case kind != nil:
		return t.truth(kind)
	case m.all != nil:
		return t.truth(m.all)
	}
	return standard
}

// mailsServers says whether the mail of every real server is asked for.
func (t *translator) mailsServers() bool {
	return t.mail.complete() && t.mail.asked(t, t.mail.checker, true)
}

// alerts writes the mail of everything for which global_defs asks.
func (t *translator) alerts(d *directive, g *out) {
	if !t.mail.complete() {
		t.warn(d, "there is no mail without smtp_server and notification_email")
		return
	}
	words := t.everywhere()
	if len(words) > 0 {
		t.email(g, d, words)
	}
}

// everywhere is what global_defs asks mail of, for everything.
func (t *translator) everywhere() []string {
	var words []string
	if t.mail.asked(t, t.mail.vrrp, false) {
		words = append(words, "active", "backup", "fault", "stop")
	}
	if t.mail.asked(t, t.mail.checker, false) {
		words = append(words, "up", "down")
	}
	if t.mail.asked(t, t.mail.checker, true) {
		words = append(words, "server_up", "server_down")
	}
	return words
}

// alert translates smtp_alert of one object: of what neither global_defs nor another
// smtp_alert of the object asks mail for already.
func (t *translator) alert(c *directive, o *out, kind *directive, words []string) {
	covered := t.mail.all != nil && t.truth(t.mail.all) || kind != nil && t.truth(kind)
	switch {
	case !t.mail.complete():
		t.warn(c, "there is no mail without smtp_server and notification_email")
	case t.truth(c):
		have := t.everywhere()
		for _, i := range o.items {
			if on := i.body.list("on"); i.block == "email" {
				have = append(have, on...)
			}
		}
		words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(have, w) })
		if len(words) > 0 {
			t.email(o, c, words)
		}
	case covered:
		t.warn(c, "mail is asked for in global_defs, for everything")
	}
}
