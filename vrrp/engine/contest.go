package engine

import (
	"fmt"
	"net/netip"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
)

// contestPace is the least time between two announcements on account of a
// contest, which lasts while two routers cannot agree and would fill the wire.
const contestPace = time.Second

// contest is another active router heard while this one is active.
type contest struct {
	vrrp.SplitBrain
	last   time.Time // when it was last heard
	rivals map[netip.Addr]rival
}

// rival is when one of the other active routers was first and last heard.
type rival struct{ first, last time.Time }

// maxRivals bounds what a flood from invented senders can take of memory.
const maxRivals = 64

func (c *contest) hear(now time.Time, from netip.Addr) {
	c.last = now
	r, known := c.rivals[from]
	if !known && len(c.rivals) >= maxRivals {
		return
	}
	if !known {
		r.first = now
	}
	r.last = now
	c.rivals[from] = r
}

// since is when a router was first heard in this contest.
func (c *contest) since(from netip.Addr) time.Time {
	if r, known := c.rivals[from]; known {
		return r.first
	}
	return c.Since
}

// stubborn gives those active routers that have given way to none of this one's
// adverts for longer than the down interval.
func (in *instance) stubborn(now time.Time) (all []netip.Addr) {
	if in.split == nil {
		return nil
	}
	for from, r := range in.split.rivals {
		if patience := in.m.DownInterval(); r.last.Sub(r.first) > patience && now.Sub(r.last) < patience {
			all = append(all, from)
		}
	}
	return all
}

// outlasted says that an advert is the resignation of a router that was active beside
// this one: one that this router has just preempted resigns at its first advert.
func (in *instance) outlasted(now time.Time, input vrrp.Input) bool {
	return input.Priority == 0 && !in.m.Leaving() && in.split == nil && now.Sub(in.since) > in.m.AdvertInterval()
}

// contested records that another active router was heard while this one is active. It
// is an event at its beginning, and for each other router that joins in, once a minute;
// a router that speaks in both families goes by one name.
func (e *Engine) contested(now time.Time, in *instance, input vrrp.Input) {
	told := !e.limits.allow(now, limit{in.cfg.Name, input.From, "split_brain"})
	if in.split == nil {
		in.split = &contest{SplitBrain: vrrp.SplitBrain{Address: input.From, Priority: input.Priority, Since: now}, rivals: map[netip.Addr]rival{}}
		in.split.hear(now, input.From)
	} else {
		in.split.hear(now, input.From)
		if leads := input.Local.IsValid(); !leads {
			return
		}
		known := in.split.Address == input.From
		in.split.Address, in.split.Priority = input.From, input.Priority
		if known || told {
			return
		}
	}
	e.ports.Event(vrrp.Event{
		Time: now, Instance: in.cfg.Name, Kind: vrrp.EventSplitBrain, From: in.m.State(), To: in.m.State(),
		Priority: in.m.Priority(), Peer: input.From,
		Reason: fmt.Sprintf("another active router: %v %s, here %d, since %s",
			input.From, standing(input.Priority), in.m.Priority(), timespan.At(in.split.since(input.From))),
	})
}

// standing says how another active router stood when it was heard.
func standing(priority uint8) string {
	if priority == 0 {
		return "which gave way"
	}
	return fmt.Sprintf("with priority %d", priority)
}

// checkContest ends a contest whose other side has fallen silent, and announces
// once more: caches may have learned the other one last.
func (e *Engine) checkContest(now time.Time, in *instance) {
	if in.split != nil && now.Sub(in.split.last) > in.m.DownInterval() {
		e.endContest(now, in, fmt.Sprintf("%v is heard no more", in.split.Address))
		in.echo = true
	}
}

func (e *Engine) endContest(now time.Time, in *instance, reason string) {
	if in.split == nil {
		return
	}
	e.ports.Event(vrrp.Event{
		Time: now, Instance: in.cfg.Name, Kind: vrrp.EventSplitBrainEnd, From: in.m.State(), To: in.m.State(),
		Priority: in.m.Priority(), Peer: in.split.Address,
		Reason: fmt.Sprintf("two active routers for %s: %s", timespan.Text(now.Sub(in.split.Since)), reason),
	})
	in.split = nil
}

// announce asks for another round of announcements, not too often; what came
// too early is made up for later.
func (e *Engine) announce(now time.Time, in *instance) {
	if now.Sub(in.announced) < contestPace {
		in.echo = true
		return
	}
	in.announced, in.echo = now, false
	e.ports.Announce(in.cfg.Name)
}
