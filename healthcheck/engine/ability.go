package engine

import (
	"fmt"
	"time"

	"usher/healthcheck"
)

// checkOf is one check of a virtual server, of all its servers.
type checkOf struct{ virtualServer, label string }

// ability takes from a probe's last result whether it can be carried out at all. One that
// was looked at too late, or was stopped, tells nothing of that either.
func (e *Engine) ability(now time.Time, p *probe) {
	switch {
	case p.last.Outcome == healthcheck.Inconclusive && p.last.CannotRun:
		p.reason = p.last.Reason
		if !p.unable.IsZero() {
			return
		}
		p.unable = now
		for _, m := range p.members {
			e.cannot(now, m)
		}
	case p.last.Outcome != healthcheck.Inconclusive && !p.unable.IsZero():
		p.unable, p.reason = time.Time{}, ""
		for _, m := range p.members {
			if key, last := e.able(m); last {
				e.event(healthcheck.Event{Kind: healthcheck.EventCanRun, At: now, ID: healthcheck.ID{VirtualServer: key.virtualServer}, Check: key.label, Message: fmt.Sprintf(
					"the %s check of %q can run again", key.label, key.virtualServer)})
			}
		}
	}
}

// cannot notes that a check cannot be carried out, and tells of it where that is news of
// its virtual server: a thousand servers may want the one program that is gone.
func (e *Engine) cannot(now time.Time, m *member) {
	key := checkOf{m.target.id.VirtualServer, m.label()}
	if e.unable[key] == nil {
		e.unable[key] = map[*member]bool{}
		e.event(healthcheck.Event{Kind: healthcheck.EventCannotRun, At: now, ID: healthcheck.ID{VirtualServer: key.virtualServer}, Check: key.label, Message: fmt.Sprintf(
			"the %s check of %q cannot run: %s", key.label, key.virtualServer, m.probe.reason)})
	}
	e.unable[key][m] = true
}

// able forgets that, and says whether it was the last of its virtual server.
func (e *Engine) able(m *member) (key checkOf, last bool) {
	key = checkOf{m.target.id.VirtualServer, m.label()}
	if !e.unable[key][m] {
		return key, false
	}
	delete(e.unable[key], m)
	if len(e.unable[key]) > 0 {
		return key, false
	}
	delete(e.unable, key)
	return key, true
}
