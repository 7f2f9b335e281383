package engine

import (
	"time"

	"usher/vrrp"
)

// rivalry is what a group has heard since it gave way, active, to a router that is
// better in one of its members. Where that router is active in all of them as well, and
// this one is better in another, both have given way, at the same instant: their
// adverts crossed. Their timers would run out at the same instant again, without an end.
type rivalry struct {
	since time.Time // zero where the group has not given way, or has deferred since
	best  claim     // of others
}

// outranked notes what another router has to show for a member. Of one that speaks in
// both families the addresses of one count, of the one that this router is known by itself.
func (g *group) outranked(in *instance, input vrrp.Input) {
	c := claim{input.Priority, input.From, in.cfg.VRID}
	if input.From.Is6() != in.ownSource().Is6() {
		return
	}
	if input.Priority > 0 && !g.rival.since.IsZero() && c.compare(g.rival.best) > 0 {
		g.rival.best = c
	}
}

// defers says, once, that the group has to let a router go first that gave way when it
// did, and resigned: one with a better claim. That one finds its own claim the best, for
// a router knows its own claims and has heard at most the other's, so never do both defer.
func (g *group) defers(now time.Time) bool {
	r := g.rival
	g.rival = rivalry{}
	if r.since.IsZero() {
		return false
	}
	var own claim
	resigned, recent := false, false
	for _, in := range g.members {
		if c := (claim{in.m.Priority(), in.ownSource(), in.cfg.VRID}); c.compare(own) > 0 {
			own = c
		}
		resigned = resigned || in.resigned
		// What is longer past than this has nothing to do with the present takeover.
		recent = recent || now.Sub(r.since) <= 2*in.m.DownInterval()
	}
	return resigned && recent && own.compare(r.best) < 0
}
