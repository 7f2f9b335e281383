package daemon

import (
	"context"
	"time"

	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/share"
	"usher/conf"
	"usher/director"
)

// Peers is the group of directors that this one is in, or none.
type Peers interface {
	Run(ctx context.Context) error
	// Apply makes it another group, with what operators said so far; nil is none.
	Apply(c *peers.Config, said map[share.Key]director.Override) error
	// Learned waits until what was said elsewhere is in force here, or ctx ends.
	Learned(ctx context.Context) bool
	// Again has everything that was said told once more.
	Again()
	// Say shares what is in force here, and tells who has it a second later at the latest.
	Say(ctx context.Context, key share.Key, o director.Override) peers.Delivery
	// Local notes what is said for this director alone.
	Local(key share.Key) error
	// Describe sets what this director says of itself.
	Describe(d share.Document)
	View() peers.View
}

// PeersHandlers is where the group delivers.
type PeersHandlers struct {
	Heard  func([]share.Held)
	Events func(peers.Event)
}

// learnLimit is how long a start waits for what other directors know: servers that were
// drained there must not get connections here meanwhile, nor may the services wait for
// somebody who does not answer.
const learnLimit = 2 * time.Second

// describeEvery is how often what this director says of itself is put together.
const describeEvery = 2 * time.Second

// group follows the peers of c. Where it is the start, or the director is new, it waits for
// what the others know. The daemon is locked by changing, or starts.
func (d *Daemon) group(ctx context.Context, c *conf.Config, learn bool) {
	now := d.now()
	var said map[share.Key]director.Override
	if c.Peers != nil && now.director != nil {
		all, err := now.director.Overrides()
		if err != nil {
			d.log.Warn("what operators said is not shared with other directors", "error", err)
		}
		said = make(map[share.Key]director.Override, len(all))
		for _, s := range all {
			said[share.Key{VirtualServer: s.VirtualServer, RealServer: s.RealServer}] = s.Override
		}
	}
	if err := now.peers.Apply(groupOf(c.Peers), said); err != nil {
		d.log.Warn("what is shared with other directors", "error", err)
	}
	if c.Peers == nil || !learn {
		return
	}
	now.peers.Again()
	ctx, cancel := context.WithTimeout(ctx, learnLimit)
	defer cancel()
	if !now.peers.Learned(ctx) {
		d.record(events.Event{Kind: peerEvent, Severity: events.Warning,
			Reason: "no other director answers: what operators said there of real servers is not known here before one does"})
	}
}

// peerEvent is the kind of events about other directors.
const peerEvent = "peer"

// groupOf is the group of a configuration.
func groupOf(p *conf.Peers) *peers.Config {
	if p == nil {
		return nil
	}
	return &peers.Config{Name: p.Name, Listen: p.Listen, Join: p.Join, Key: p.Secret, OldKey: p.OldSecret}
}

// heard puts into force what operators said of servers on other directors.
func (d *Daemon) heard(all []share.Held) {
	now := d.now()
	if now.director == nil || now.config != nil && now.config.Peers == nil {
		return // it is told again when there is one
	}
	said, self := make([]director.Said, 0, len(all)), now.peers.View().Name
	for _, h := range all {
		o := h.Local(time.Now())
		o.By = somebodyOn(o.By, h.Stamp.Origin, self)
		said = append(said, director.Said{VirtualServer: h.VirtualServer, RealServer: h.RealServer, Override: o})
	}
	if err := now.director.Hear(said); err != nil {
		d.log.Warn("what was said on another director", "error", err)
	}
}

// somebodyOn names who said something on which director, where it is another one.
func somebodyOn(by, origin, self string) string {
	if origin == self {
		return by
	}
	if by == "" {
		by = "an operator"
	}
	return by + " on " + origin
}

func (d *Daemon) peersEvent(e peers.Event) {
	out := events.Event{Time: e.At, Kind: peerEvent, Severity: events.Info, Reason: e.Text}
	if e.Warning {
		out.Severity = events.Warning
	}
	d.record(out)
}

// describes has the group know how this director is.
func (d *Daemon) describes(ctx context.Context) error {
	every := time.NewTicker(describeEvery)
	defer every.Stop()
	for {
		if now := d.now(); now.config != nil && now.config.Peers != nil {
			now.peers.Describe(d.describe(now))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// peersView is how the group looks from here.
func (c *current) peersView() peers.View {
	if p := c.now().peers; p != nil {
		return p.View()
	}
	return peers.View{}
}
