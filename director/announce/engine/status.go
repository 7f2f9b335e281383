package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/director/announce"
)

// view is the state as it was at a time. Nobody changes it any more.
type view struct {
	announcements []announce.Status
	warnings      []announce.Warning
}

// patience is how long a session may take to be established before somebody is told.
const patience = 30 * time.Second

// show gives the state as it stands.
func (s *state) show(now time.Time) *view {
	v := &view{}
	index := map[string]int{}
	for _, i := range s.items {
		at, known := index[i.of.Name]
		if !known {
			at = len(v.announcements)
			index[i.of.Name] = at
			v.announcements = append(v.announcements, announce.Status{Name: i.of.Name, Pools: i.of.Pools, Removed: true, Withdrawals: s.flaps[i.of.Name]})
		}
		p := announce.PrefixStatus{
			Prefix: i.prefix, Phase: i.machine.Phase(), Reason: i.machine.Reason(), Since: i.since,
			Text: announce.Detail(i.machine.Reason(), i.lacking),
		}
		if next, ok := i.machine.Next(); ok {
			p.Until = s.begun.Add(next)
		}
		a := &v.announcements[at]
		a.Removed = a.Removed && i.removed
		a.Prefixes = append(a.Prefixes, p)
	}
	v.warnings = s.warnings(now, v.announcements)
	return v
}

func (s *state) warnings(now time.Time, all []announce.Status) (list []announce.Warning) {
	if !s.speaking && now.Sub(s.begun) > soonest && len(s.config.Peers) > 0 {
		list = append(list, announce.Warning{Kind: "bgp_speaker", Error: true, Since: s.silentSince, Text: "the BGP speaker does not run, so that nothing is announced: " + s.speakerText})
	}
	for _, p := range s.options.Speaker.Sessions() {
		if s.speaking && p.State != announce.Established && now.Sub(p.Since) > patience {
			list = append(list, announce.Warning{Kind: "bgp_session", Subject: p.Peer.String(), Since: p.Since,
				Text: fmt.Sprintf("no BGP session with %s (%s): %s", p.Peer, p.State, cmp.Or(p.Reason, "it does not answer"))})
		}
	}
	for _, a := range all {
		for _, p := range a.Prefixes {
			if r := p.Reason; !a.Removed && r != announce.ReasonSpeaker && r.Failure() && p.Phase.Word() == "withdrawn" {
				list = append(list, announce.Warning{Kind: "announcement", Subject: a.Name, Error: true, Since: p.Since,
					Text: fmt.Sprintf("%s is not announced: %s", p.Prefix, p.Text)})
			}
		}
	}
	for _, t := range s.troubles {
		list = append(list, announce.Warning{Kind: "announcement", Text: t.text, Since: t.since})
	}
	slices.SortFunc(list, func(a, b announce.Warning) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Subject+a.Text, b.Subject+b.Text))
	})
	return list
}

// Status gives the announcements as they stood at the last pass, in the order of the
// configuration, then those that end.
func (e *Engine) Status() []announce.Status { return e.view.Load().announcements }

// Warnings gives what is so at this moment and should not be.
func (e *Engine) Warnings() []announce.Warning { return e.view.Load().warnings }

// Sessions gives the peers as they stand.
func (e *Engine) Sessions() []announce.Session { return e.options.Speaker.Sessions() }

// Unclaimed is how many packets to announced addresses were dropped, since IPVS had no
// service for them; 0 without a filter.
func (e *Engine) Unclaimed() (uint64, error) {
	if e.options.Filter == nil {
		return 0, nil
	}
	return e.options.Filter.Unclaimed()
}
