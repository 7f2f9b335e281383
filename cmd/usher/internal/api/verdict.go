package api

import (
	"fmt"
	"strings"
)

// Level says how much something asks for a person.
type Level string

// The levels, worst last. The exit statuses of `usher status --check` follow them.
const (
	LevelOK      Level = "ok"      // nobody is needed
	LevelWarning Level = "warning" // somebody should look, at working hours
	LevelError   Level = "error"   // a person is needed now
)

// Verdict says in one line whether a person is needed. It is the same everywhere: the
// first line of `usher status`, the status page, /healthz, the service manager's status
// line and exit statuses all come from the one in Status.
type Verdict struct {
	Level Level  `json:"level" enum:"ok,warning,error"` // ok, warning or error
	Text  string `json:"text"`                          // one line for people
}

// StateWord is an instance's state in a word for people: "maintenance" where that holds it
// back, which in VRRP's own words is the state Initialize.
func (s Status) StateWord(i Instance) string {
	if s.Maintenance && i.State == "initialize" {
		return "maintenance"
	}
	return i.State
}

// Judge gives the verdict on a status by its warnings, worst first as they are there.
// A server that is down is no warning while its service has its quorum, but worth a
// look; one that somebody took out is not.
func Judge(s Status) Verdict {
	var errors, warnings int
	for _, w := range s.Warnings {
		if w.Severity == string(LevelError) {
			errors++
		} else {
			warnings++
		}
	}
	switch {
	case errors > 0:
		return Verdict{LevelError, "a person is needed: " + first(s.Warnings, errors, warnings)}
	case warnings > 0:
		return Verdict{LevelWarning, "worth a look: " + first(s.Warnings, errors, warnings)}
	}
	if down, of := servers(s, "down"); down == 1 {
		return Verdict{LevelWarning, fmt.Sprintf("worth a look: 1 of %s is down; every service goes on", amount(of, "real server"))}
	} else if down > 1 {
		return Verdict{LevelWarning, fmt.Sprintf("worth a look: %d of %s are down; every service goes on", down, amount(of, "real server"))}
	}
	return Verdict{LevelOK, "nobody is needed: " + calm(s)}
}

// first is the worst thing to be said, and how much more there is.
func first(list []Warning, errors, warnings int) string {
	text := list[0].Text
	if s := list[0].Subject; s != "" {
		text = s + ": " + text
	}
	if errors > 0 {
		errors--
	} else {
		warnings--
	}
	var more []string
	if errors > 0 {
		more = append(more, amount(errors, "more error"))
	}
	if warnings > 0 {
		more = append(more, amount(warnings, "more warning"))
	}
	if len(more) > 0 {
		text += " (and " + strings.Join(more, ", ") + ")"
	}
	return text
}

// calm is what is so while all is well.
func calm(s Status) string {
	var active, backup []string
	for _, i := range s.Instances {
		switch i.State {
		case "active":
			active = append(active, i.Name)
		case "backup":
			backup = append(backup, i.Name)
		}
	}
	var all []string
	if len(active) > 0 {
		all = append(all, "active for "+listed(active))
	}
	if len(backup) > 0 {
		all = append(all, "backup for "+listed(backup))
	}
	if len(s.Instances) > 0 && len(all) == 0 {
		all = append(all, "starting")
	}
	if up, n := servers(s, "up"); n > 0 {
		all = append(all, fmt.Sprintf("%d of %s up", up, amount(n, "real server")))
	}
	if len(all) == 0 {
		return "nothing is configured"
	}
	return strings.Join(all, "; ")
}

// servers counts the real servers in a state, of all but sorry servers and
// those that a reload removed.
func servers(s Status, state string) (n, all int) {
	for _, v := range s.VirtualServers {
		for _, r := range v.RealServers {
			if r.Sorry || r.Removed {
				continue
			}
			all++
			if r.State == state {
				n++
			}
		}
	}
	return n, all
}

// listed names a few, and counts the rest.
func listed(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

func amount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// healthOf is a verdict as the health of probes: what needs a person now is a problem.
func healthOf(s Status) Health {
	h := Health{OK: s.Verdict.Level != LevelError, Verdict: s.Verdict, Problems: []string{}}
	for _, w := range s.Warnings {
		if w.Severity != string(LevelError) {
			continue
		}
		text := w.Text
		if w.Subject != "" {
			text = w.Subject + ": " + text
		}
		h.Problems = append(h.Problems, text)
	}
	return h
}
