package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/vrrp"
	"usher/vrrp/timespan"
)

// retrack brings what tracks say to the instance's configuration. What is known of one
// stays. An instance that takes part is not moved by a track of which nothing is known
// yet: that would be a failover for nothing.
func (in *instance) retrack() {
	takesPart := in.m.State() == vrrp.Backup || in.m.State() == vrrp.Active
	adjustments, pending := map[string]vrrp.Adjustment{}, map[string]bool{}
	for _, t := range in.cfg.Track {
		a, known := in.adjustments[t.Key()]
		if pending[t.Key()] = !known || in.pending[t.Key()]; pending[t.Key()] {
			a = t.InitialAdjustment()
			if t.Initial == "" && takesPart {
				a.Fault, a.Reason = false, "no result yet"
			}
		}
		adjustments[t.Key()] = a
	}
	in.adjustments, in.pending = adjustments, pending
}

// trackInterfaces brings the tracks of interfaces up to date.
func (e *Engine) trackInterfaces(now time.Time, in *instance) {
	for _, t := range in.cfg.Track {
		if t.Kind != vrrp.TrackInterface {
			continue
		}
		l, there := e.links[t.Name]
		up := in.believeTrack(t, l.Up, e.since(now))
		word := "up"
		switch {
		case up:
		case l.Up:
			word = "up for less than " + timespan.Text(t.UpDelay)
		case !there:
			word = "not there"
		default:
			word = "down"
		}
		in.adjustments[t.Key()] = t.Adjustment(up, fmt.Sprintf("interface %s is %s", t.Name, word))
	}
}

// says gives the adjustments of an instance in the order of its configuration.
func (in *instance) says() []vrrp.Adjustment {
	out := make([]vrrp.Adjustment, 0, len(in.cfg.Track))
	for _, t := range in.cfg.Track {
		out = append(out, in.adjustments[t.Key()])
	}
	return out
}

func (in *instance) trackFault() string {
	all := in.says()
	if i := slices.IndexFunc(all, func(a vrrp.Adjustment) bool { return a.Fault }); i >= 0 {
		return fmt.Sprintf("%s: %s", in.cfg.Track[i].Key(), all[i].Reason)
	}
	return ""
}

// tally is what an effective priority is made of: the configured one, and what each
// track adds.
type tally struct {
	base   uint8
	tracks []share
}

type share struct {
	key    string
	weight int
}

func (in *instance) tally() tally {
	t := tally{base: in.cfg.Priority}
	for _, track := range in.cfg.Track {
		t.tracks = append(t.tracks, share{track.Key(), in.adjustments[track.Key()].Weight})
	}
	return t
}

func (t tally) weight(key string) int {
	for _, s := range t.tracks {
		if s.key == key {
			return s.weight
		}
	}
	return 0
}

// difference says, for people, what has changed in the effective priority since it was
// last counted: by which track, and by how much.
func (in *instance) difference() string {
	var all []string
	if was := in.counted.base; was != in.cfg.Priority {
		all = append(all, fmt.Sprintf("configured %d, was %d", in.cfg.Priority, was))
	}
	now := in.tally()
	for _, s := range now.tracks {
		if by := s.weight - in.counted.weight(s.key); by != 0 {
			all = append(all, fmt.Sprintf("%s (%+d)", in.adjustments[s.key].Reason, by))
		}
	}
	for _, s := range in.counted.tracks {
		if gone := !slices.ContainsFunc(now.tracks, func(o share) bool { return o.key == s.key }); gone && s.weight != 0 {
			all = append(all, fmt.Sprintf("%s is not tracked any more (%+d)", s.key, -s.weight))
		}
	}
	return strings.Join(all, ", ")
}
