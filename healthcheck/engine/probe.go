package engine

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/internal/timers"
)

// probe is something to be found out at intervals, for all who want to know it.
type probe struct {
	timer   timers.Timer[owner]
	id      uint64
	key     probeKey
	check   healthcheck.Check
	report  func(healthcheck.Result)
	slot    time.Time // one of its places in the spread; the others are whole intervals away
	running bool
	started time.Time
	ended   time.Time
	last    healthcheck.Result
	warned  time.Time // of this expiry
	unable  time.Time // since when no probe can be made; zero while one can
	reason  string    // why not
	members []*member
}

// probeKey is equal for checks that one probe serves: those that differ in how
// results are counted only.
type probeKey struct {
	settings [sha256.Size]byte // all but what follows
	address  netip.AddrPort
	via      healthcheck.Via
}

// keyer makes keys. Servers of one pool share their settings, which are looked at
// once for all of them.
type keyer struct {
	check    healthcheck.Check
	settings [sha256.Size]byte
}

func (k *keyer) of(c healthcheck.Check) (probeKey, error) {
	key := probeKey{address: c.Address}
	if c.Via != nil {
		key.via = *c.Via
	}
	c.Address, c.Via = netip.AddrPort{}, nil
	c.Name, c.Rise, c.Fall, c.Slow, c.SlowWeight, c.Passive = "", 0, 0, 0, 0, nil
	if c != k.check {
		text, err := json.Marshal(c)
		if err != nil {
			return probeKey{}, fmt.Errorf("healthcheck: %s check of %s: %w", c.Type, key.address, err)
		}
		k.check, k.settings = c, sha256.Sum256(text)
	}
	key.settings = k.settings
	return key, nil
}

// phase is the place within an interval of the nth probe that has it. Multiples of
// the golden ratio fill a circle evenly however many there will be, so that a new
// probe moves none of the others.
func phase(n uint64, interval time.Duration) time.Duration {
	_, part := math.Modf(float64(n) * math.Phi)
	return time.Duration(part * float64(interval))
}

// owner is whose timer one is: a probe's, or that of a target that is held down.
type owner struct {
	probe  *probe
	target *target
}

// least is the part of an interval that lies at least between two runs.
const least = 8

// following is the run after one that begins now: the first slot to come, those
// missed left out.
func (p *probe) following(now time.Time) time.Time {
	interval := p.check.Interval
	passed := now.Add(interval / least).Sub(p.slot)
	turns := passed / interval
	if passed >= 0 {
		turns++
	}
	at := p.slot.Add(turns * interval)
	if p.check.Jitter > 0 {
		at = at.Add(rand.N(p.check.Jitter))
	}
	return at
}

// member is one check of one server: what its probe's results mean to it.
type member struct {
	target *target
	probe  *probe
	name   string
	rules  healthcheck.Rules
	health healthcheck.Health
	since  time.Time
}

func (m *member) label() string {
	if m.name == "" {
		return string(m.probe.check.Type)
	}
	return string(m.probe.check.Type) + " " + m.name
}

func (p *probe) drop(m *member) {
	p.members = slices.DeleteFunc(p.members, func(o *member) bool { return o == m })
}

// target is one server.
type target struct {
	hold    timers.Timer[owner] // until flapping is over
	id      healthcheck.ID
	config  healthcheck.Target // as applied
	rules   healthcheck.Join
	passive int // unanswered connections that trigger its probes; 0 for never
	members []*member
	joint   healthcheck.Joint
	told    bool // sent has gone out
	sent    healthcheck.Verdict
	since   time.Time
	history []healthcheck.Update
}

func (t *target) healths() []healthcheck.Named {
	list := make([]healthcheck.Named, len(t.members))
	for i, m := range t.members {
		list[i] = healthcheck.Named{Label: m.label(), Health: m.health}
	}
	return list
}

func (t *target) remember(u healthcheck.Update) {
	if len(t.history) == healthcheck.HistoryLength {
		t.history = t.history[1:]
	}
	t.history = append(t.history, u) // what is there is never changed: status gives it away
}
