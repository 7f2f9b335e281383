package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/compare"
	"usher/cmd/usher/internal/peers/share"
	"usher/vrrp/timespan"
)

// directors is every director of the group; nil where no block says who the others are.
func (r *reporter) directors(now snapshot) *api.Directors {
	view := r.current.peersView()
	if !view.On || now.config == nil {
		return nil
	}
	self := r.self(now, view)
	out := &api.Directors{Self: view.Name, Error: view.Error, Refused: view.Refused, BothActive: []api.BothActive{}, Differences: []api.Difference{}}
	if out.Refused == nil {
		out.Refused = map[string]uint64{}
	}
	own := api.Director{Name: view.Name, Address: view.Listen.String(), Self: true, Up: true, Since: now.started}
	describeDirector(&own, &view.Self)
	out.Directors = append(out.Directors, own)
	differ := map[string][]string{}
	r.comparison.mu.Lock()
	found, told := r.comparison.found, r.comparison.told
	r.comparison.mu.Unlock()
	for _, f := range found {
		if f.Kind == compare.Config {
			differ[f.Peer] = append(differ[f.Peer], f.Name)
		}
	}
	clock := time.Now()
	for i := range view.Members {
		m := &view.Members[i]
		d := api.Director{Name: m.Name, Address: m.Address.String(), Up: m.Up, Why: m.Why, Since: m.Since, Heard: given(m.Heard), ClockAhead: m.ClockAhead.Seconds()}
		if !m.Heard.IsZero() {
			age := max(clock.Sub(m.Heard), 0).Seconds()
			d.AgeSeconds = &age
		}
		describeDirector(&d, m.Document)
		if m.Up && m.Document != nil {
			_, d.NotCompared = self.Comparable(m.Document)
		}
		if parts := differ[called(m)]; parts != nil {
			d.Differs = parts
		}
		out.Directors = append(out.Directors, d)
	}
	for _, f := range found {
		if f.Kind == compare.Active {
			out.BothActive = append(out.BothActive, api.BothActive{Instance: f.Name, Directors: strings.Split(f.Peer, ", ")})
		}
	}
	for _, w := range told {
		out.Differences = append(out.Differences, api.Difference{Kind: string(w.Kind), Subject: w.Subject, Directors: w.Directors, Servers: w.Servers, Parts: w.Parts, Text: w.Text, Since: w.Since})
	}
	return out
}

// shownDown is how many servers that are not up the status has of each director: it goes to
// whoever has the page open, each second.
const shownDown = 20

// describeDirector adds what a director says of itself.
func describeDirector(out *api.Director, d *share.Document) {
	out.Instances, out.Down, out.Differs = []api.DirectorRole{}, []api.DirectorServer{}, []string{}
	if d == nil {
		return
	}
	out.Version, out.Started, out.Maintenance = d.Version, given(d.Started), d.Maintenance
	out.RealServers, out.RealServersUp, out.DownMore = d.Servers, d.ServersUp, d.DownCut
	for _, r := range d.Roles {
		out.Instances = append(out.Instances, api.DirectorRole{Name: r.Instance, State: r.State, VirtualRouterID: r.VirtualRouterID, Priority: r.Priority, Since: r.Since})
	}
	shown := d.Down[:min(len(d.Down), shownDown)]
	out.DownMore += len(d.Down) - len(shown)
	for _, h := range shown {
		out.Down = append(out.Down, api.DirectorServer{VirtualServer: h.VirtualServer, RealServer: h.RealServer.String(), State: h.State, Reason: h.Reason, Since: h.Since})
	}
}

// refusedLately is for how long packets that were thrown away are a warning.
const refusedLately = time.Minute

// peerWarnings are what of the group needs a person. It ends when it is over.
func (r *reporter) peerWarnings(clock time.Time) (all []api.Warning) {
	view := r.current.peersView()
	if !view.On {
		return nil
	}
	add := func(severity events.Severity, kind, subject, text string, since time.Time) {
		all = append(all, api.Warning{Severity: string(severity), Kind: kind, Subject: subject, Text: events.Line(text), Since: since})
	}
	if view.Error != "" {
		add(events.Warning, "peers", view.Listen.String(), "this director does not speak with the others: "+view.Error, view.Since)
	}
	r.comparison.mu.Lock()
	told, absent := slices.Clone(r.comparison.told), r.comparison.absent
	r.comparison.mu.Unlock()
	for i := range view.Members {
		if m := &view.Members[i]; !m.Up && absent[called(m)] && view.Error == "" {
			add(events.Warning, "peer_absent", called(m), absence(m), m.Since)
		}
	}
	if view.Conflict != "" {
		add(events.Warning, "peers", view.Name, view.Conflict, view.ConflictSince)
	}
	if l := view.LastRefused; l != nil && clock.Sub(l.At) < refusedLately {
		add(events.Warning, "peer_refused", l.From.Addr().Unmap().String(), "what it sends to this director is thrown away: "+thrownAway(l.Reason), l.At)
	}
	for _, w := range told {
		switch w.Kind {
		case compare.Active:
			add(events.Error, "peer_active", w.Subject, w.Text, w.Since)
		case compare.Health:
			add(events.Warning, "health_differs", w.Subject, w.Text, w.Since)
		case compare.Pool:
			add(events.Warning, "pool_differs", w.Subject, w.Text, w.Since)
		default:
			add(events.Warning, "config_differs", w.Subject, w.Text, w.Since)
		}
	}
	return all
}

// absence says of a director that is not heard since when, why and what to do.
func absence(m *peers.Member) string {
	if m.Heard.IsZero() {
		return fmt.Sprintf("nobody has answered at this address of peers.join so far: does usher run there, with a block peers and this key, and does port %d get through, TCP and UDP?", m.Address.Port())
	}
	return fmt.Sprintf("not heard since %s (%s), and what is shown of it is as old: is the machine up, does usher run there (systemctl status usher), does port %d get through, TCP and UDP?",
		timespan.At(m.Heard), m.Why, m.Address.Port())
}

// thrownAway says why something was thrown away, and what to do.
func thrownAway(reason string) string {
	switch reason {
	case "key":
		return "it is not encrypted with a key of this director; give all directors of the group the same key in the block peers, or, where it is none of them, keep it away from that port"
	case string(share.Future):
		return "its clock is more than a day ahead; set it, best by NTP"
	case string(share.Full):
		return "there is no room for more"
	case "busy":
		return "it opens more connections than this director holds at once; after a pause of this director that is what waited, and over by itself"
	case "flood":
		return "it sends more than a group of directors does; where it is no director, keep it away from the port of the block peers"
	}
	return "it is nothing that a director of this version sends (" + reason + "); is another version there, or somebody else with the key?"
}
