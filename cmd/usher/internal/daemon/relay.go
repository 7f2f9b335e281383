package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"usher/conf"
	"usher/healthcheck"
	"usher/vrrp"
)

// relay tells the parts what they have to know of each other: the director the verdicts of
// the checks, VRRP the virtual servers and BFD peers that instances track, passive checks
// the connections that nobody answered.
type relay struct {
	current  *current
	log      *slog.Logger
	history  *history
	sessions sessions
	quorum   chan struct{} // kicked when virtual servers may have changed
	verdicts sync.Mutex    // one verdict on its way to the director, or all of them, at a time
}

// health passes a verdict on. It is called from the check engine's goroutine, which
// may wait: probes go on meanwhile.
func (r *relay) health(u healthcheck.Update) {
	r.verdicts.Lock()
	defer r.verdicts.Unlock()
	if dir := r.current.now().director; dir != nil {
		dir.SetHealth(u)
	}
}

// remind passes on what the checks say of every server: a director that had another
// configuration for a moment has forgotten the servers that this did not have.
func (r *relay) remind() {
	r.verdicts.Lock()
	defer r.verdicts.Unlock()
	now := r.current.now()
	if now.director == nil {
		return
	}
	for _, s := range now.checks.Statuses() {
		now.director.SetHealth(healthcheck.Update{ID: s.ID, Verdict: s.Verdict, At: s.Since})
	}
}

// kick says that virtual servers may have gained or lost their quorum.
func (r *relay) kick() {
	select {
	case r.quorum <- struct{}{}:
	default: // a kick that waits already covers this one
	}
}

// unansweredEvery is how often connections that nobody answered are counted, where
// a check wants to know.
const unansweredEvery = time.Second

// run tells VRRP of the virtual servers and BFD peers that instances track, tells passive
// checks of unanswered connections, and samples the history, until ctx ends.
func (r *relay) run(ctx context.Context) error {
	sample := time.NewTicker(HistoryInterval)
	defer sample.Stop()
	count := time.NewTicker(unansweredEvery)
	defer count.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.quorum:
			r.track()
		case <-count.C:
			r.unanswered()
		case now := <-sample.C:
			if dir := r.current.now().director; dir != nil {
				r.sample(now, dir)
			}
		}
	}
}

// sample adds a value to each small graph.
func (r *relay) sample(now time.Time, dir Director) {
	if totals, err := dir.Connections(); err != nil {
		r.log.Debug("no sample for the history", "error", err)
	} else {
		r.history.sample(now, totals)
	}
	if r.history.stale(now) {
		r.history.saw(now, dir.Status())
	}
	r.history.step()
}

// unanswered passes on what IPVS shows of connections that were never answered.
func (r *relay) unanswered() {
	now := r.current.now()
	if !now.passive || now.director == nil {
		return
	}
	found, err := now.director.Unanswered()
	if err != nil {
		r.log.Debug("unanswered connections could not be counted", "error", err)
		return
	}
	for id, n := range found {
		now.checks.Unanswered(id, n)
	}
}

// passive says whether a check of c wants to know of unanswered connections.
func passive(c *conf.Config) bool {
	for i := range c.VirtualServers {
		for _, t := range c.VirtualServers[i].EveryTarget() {
			for _, k := range t.Checks {
				if k.Type == healthcheck.TypePassive {
					return true
				}
			}
		}
	}
	return false
}

// adjustment is what a thing that is up or down, for a reason, says under t.
func adjustment(t vrrp.Track, up bool, reason string) vrrp.Adjustment {
	text := fmt.Sprintf("%s %s is down", t.Kind, t.Name)
	if up {
		text = fmt.Sprintf("%s %s is up", t.Kind, t.Name)
	}
	if reason != "" {
		text += ": " + reason
	}
	return t.Adjustment(up, text)
}

// track tells VRRP the state of everything tracked that this process knows,
// virtual servers and BFD peers, whether it changed or not.
func (r *relay) track() {
	now := r.current.now()
	c, dir, process := now.config, now.director, now.vrrp
	if c == nil || process == nil {
		return
	}
	for _, i := range c.Instances {
		for _, t := range i.Track {
			switch t.Kind {
			case vrrp.TrackVirtualServer:
				if dir == nil {
					continue
				}
				if up, reason, known := dir.Quorum(t.Name); known {
					process.Track(i.Name, t.Key(), adjustment(t, up, reason))
				}
			case vrrp.TrackBFD:
				if up, reason, told := r.sessions.state(t.Name); told {
					process.Track(i.Name, t.Key(), adjustment(t, up, reason))
				}
			}
		}
	}
}
