package director

import (
	"fmt"
	"math"
	"slices"
	"time"

	"usher/healthcheck"
)

// Evaluate brings every server's state, the quorum and the choice of the sorry
// server up to date and gives the changes as events.
func (p *Pool) Evaluate(now time.Time) []Event {
	var events []Event
	for _, m := range p.members {
		m.kept = false
	}
	p.judgeHealth(now, &events)
	for _, m := range p.members {
		state, reason := m.judge()
		// A server that is trusted until its first probe comes in with its service, as
		// one without checks does: that is no news of it.
		trusted := m.state == ServerInitial && state == ServerUp && !m.decided
		if state != m.state && !trusted {
			events = append(events, Event{
				Time: now, Kind: EventServer, VirtualServer: p.config.Name, RealServer: m.config.Address,
				From: string(m.state), To: string(state), Reason: reason,
			})
		}
		if state != m.state {
			m.since = now
		}
		m.state, m.reason = state, reason
	}
	p.choosePriority()
	p.dismiss(now)
	p.judgeQuorum(now, &events)
	p.ramp(now)
	return events
}

// judgeHealth keeps the last good set while too few servers are healthy.
func (p *Pool) judgeHealth(now time.Time, events *[]Event) {
	total, healthy := 0, 0
	for _, m := range p.members {
		if m.sorry || m.override.Mode == OverrideDrain || m.override.Mode == OverrideDisable || !m.decided {
			continue
		}
		total++
		if m.verdict.State != healthcheck.Down {
			healthy++
		}
	}
	few := p.config.MinHealthy > 0 && total > 0 && float64(healthy) < p.config.MinHealthy*float64(total)
	good := 0
	for _, m := range p.members {
		switch {
		case m.sorry:
		case !few:
			m.good = m.decided && m.verdict.State != healthcheck.Down
		case m.good && m.decided && m.verdict.State == healthcheck.Down:
			m.kept = true
			good++
		}
	}
	few = few && good > 0
	if few != p.panicked {
		p.panicked = few
		e := Event{Time: now, Kind: EventPanic, VirtualServer: p.config.Name, From: "kept", To: "normal",
			Reason: fmt.Sprintf("%d of %d servers are healthy", healthy, total)}
		if few {
			e.From, e.To = e.To, e.From
			e.Reason += fmt.Sprintf(", fewer than min_healthy %g allows: the last good set is kept", p.config.MinHealthy)
		}
		p.panic = e
		*events = append(*events, e)
	}
}

// judge gives the server's state and why.
func (m *member) judge() (ServerState, string) {
	switch {
	case m.override.Mode == OverrideDisable:
		return ServerDisabled, m.override.Text()
	case m.override.Mode == OverrideDrain && m.drain.gone:
		return ServerDisabled, m.override.Text()
	case m.override.Mode == OverrideDrain:
		return ServerDraining, m.override.Text() + "; " + m.drain.String()
	case m.kept:
		return ServerUp, "kept although it failed, too few servers are healthy: " + m.verdict.Reason
	case !m.decided && m.verdict.State == healthcheck.Down && m.adopted:
		return ServerInitial, "found in the kernel, not yet probed"
	case !m.decided && m.verdict.State == healthcheck.Down:
		return ServerInitial, "not yet probed"
	case m.verdict.State == healthcheck.Down:
		return ServerDown, m.verdict.Reason
	case m.verdict.Drain:
		return ServerDraining, m.verdict.Reason
	}
	return ServerUp, m.verdict.Reason
}

// choosePriority finds the first group of servers, by their priority, that has one which
// is fit for new connections. Those of later groups stand by.
func (p *Pool) choosePriority() {
	first := math.MaxInt
	for _, m := range p.members {
		if m.standby = false; !m.sorry && m.counts() && m.target() > 0 {
			first = min(first, m.config.Priority)
		}
	}
	for _, m := range p.members {
		if !m.sorry && m.config.Priority > first {
			m.standby = true
			if m.state == ServerUp {
				m.reason = "stands by: servers of a priority before its own are up"
			}
		}
	}
}

// judgeQuorum gains the quorum at Quorum+Hysteresis and loses it below
// Quorum-Hysteresis, or when no weight at all is left.
func (p *Pool) judgeQuorum(now time.Time, events *[]Event) {
	sum := p.healthy()
	up := p.up
	switch {
	case up && p.holds():
		p.reason = "the servers of before serve until the first probe of the new ones"
		p.chooseSorry()
		return
	case p.lacks(sum):
		up = false
	case sum >= p.config.Quorum+p.config.Hysteresis:
		up = true
	}
	changed := up != p.up
	p.had, p.up = p.had || up, up
	p.chooseSorry()
	p.reason = p.tally(sum)
	if changed {
		p.since = now
		*events = append(*events, Event{Time: now, Kind: EventQuorum, VirtualServer: p.config.Name,
			From: upDown(!up), To: upDown(up), Reason: p.reason})
	}
}

// tally says how many servers are up, and what becomes of clients where that is too few.
// sum is their weight.
func (p *Pool) tally(sum int) string {
	all, up, waiting, out := 0, 0, 0, 0
	for _, m := range p.members {
		switch {
		case m.sorry:
			continue
		case m.counts():
			up++
		case m.state == ServerInitial:
			waiting++
		case m.override.Mode == OverrideDrain || m.override.Mode == OverrideDisable:
			out++
		}
		all++
	}
	text := fmt.Sprintf("%d of %d servers up", up, all)
	if all == 1 {
		text = fmt.Sprintf("%d of 1 server up", up)
	}
	if waiting > 0 {
		text += fmt.Sprintf(", %d not yet probed", waiting)
	}
	if up > 0 && (p.config.Quorum > 1 || sum == 0) {
		text += fmt.Sprintf(", weight %d, quorum %d", sum, p.config.Quorum)
	}
	// One word of each of two directors that do not hear each other can do what neither
	// was allowed alone.
	if !p.up && out > 0 {
		text += fmt.Sprintf(", %d taken out by operators (usher enable puts back)", out)
	}
	switch {
	case p.up:
	case p.sorry != nil:
		text += fmt.Sprintf(": the sorry server %s answers", p.sorry.config.Address)
	case sum > 0:
		text += ": those go on, without their quorum"
	default:
		text += ": clients are refused"
	}
	return text
}

// healthy is the weight of all servers that are fit for new connections.
func (p *Pool) healthy() int {
	sum := 0
	for _, m := range p.members {
		if !m.sorry && !m.standby && m.counts() {
			sum += m.target()
		}
	}
	return sum
}

// lacks tells whether a weight is too little to keep the quorum.
func (p *Pool) lacks(sum int) bool { return sum == 0 || sum < p.config.Quorum-p.config.Hysteresis }

// decided tells whether a quorum that is not there is lost, rather than waiting for the
// first probe of servers with which it would be there.
func (p *Pool) decided() bool {
	if p.had {
		return true
	}
	sum, waits := p.healthy(), false
	for _, m := range p.members {
		if !m.sorry && m.state == ServerInitial && !m.counts() && m.target() > 0 {
			sum, waits = sum+m.target(), true
		}
	}
	return !waits || sum < p.config.Quorum+p.config.Hysteresis
}

// holds tells whether servers that the configuration no longer has must go on
// serving: the quorum would be lost without them, and what could take their place
// waits for its first probe.
func (p *Pool) holds() bool {
	waiting := slices.ContainsFunc(p.members, func(m *member) bool {
		return !m.sorry && m.state == ServerInitial && !m.counts() && m.config.Weight > 0
	})
	return waiting && p.replaced() && p.lacks(p.healthy())
}

// replaced tells whether servers that the configuration no longer has serve.
func (p *Pool) replaced() bool {
	for _, dests := range p.leaving {
		for _, l := range dests {
			if l.held > 0 {
				return true
			}
		}
	}
	return false
}

// dismiss starts emptying what the configuration no longer has, as soon as that
// leaves no gap.
func (p *Pool) dismiss(now time.Time) {
	if p.holds() {
		return
	}
	for _, dests := range p.leaving {
		for dest, l := range dests {
			if l.drain.on {
				continue
			}
			l.destination.Weight, l.held = 0, 0
			l.drain.start(now, p.config.DrainTimeout)
			dests[dest] = l
		}
	}
}

// counts tells whether the server is fit for new connections.
func (m *member) counts() bool {
	return m.state == ServerUp || m.state == ServerInitial && m.adopted && m.found > 0
}

// target is the weight that the server shall have in the end, 0..65535.
func (m *member) target() int {
	v := m.verdict
	weight := m.config.Weight
	switch {
	case m.override.Mode == OverrideWeight:
		return clampWeight(m.override.Weight)
	case !m.decided, m.kept:
		return clampWeight(weight)
	case v.Weighted:
		weight = v.Weight
	}
	if weight <= 0 || v.Percent <= 0 {
		return 0
	}
	return clampWeight((weight*v.Percent + 99) / 100)
}

func clampWeight(w int) int { return min(max(w, 0), 65535) }

// chooseSorry takes the first sorry server that is fit, where the quorum is lost.
func (p *Pool) chooseSorry() {
	p.sorry = nil
	for _, m := range p.members {
		if !p.up && m.sorry && m.counts() && m.target() > 0 {
			p.sorry = m
			break
		}
	}
}

// ramp starts the slow start of servers that come back to a pool that serves, and
// notes who serves by now.
func (p *Pool) ramp(now time.Time) {
	others := 0
	for _, m := range p.members {
		if m.serving && !m.sorry {
			others++
		}
	}
	for _, m := range p.members {
		serving := m.counts() && !m.standby && m.target() > 0 && (m == p.sorry || !m.sorry && p.sorry == nil)
		switch {
		case !serving || p.config.SlowStart <= 0 || m.sorry:
			m.ramp = time.Time{}
		case !m.serving && m.left && others > 0:
			m.ramp = now
		case !m.ramp.IsZero() && now.Sub(m.ramp) >= p.config.SlowStart:
			m.ramp = time.Time{}
		}
		if m.serving && !serving {
			m.lost(now, p.config)
		}
		m.left = !serving && (m.left || m.serving || m.decided && m.state == ServerDown)
		if serving && m.override.Mode != OverrideDrain {
			m.drain = drain{}
		}
		m.serving = serving
	}
}

// lost starts emptying a sorry server that is no longer needed, or that failed
// where connections shall outlive that.
func (m *member) lost(now time.Time, config VirtualServer) {
	if m.sorry && (m.state != ServerDown || config.onFailure(&m.config) == Quiesce) && m.override.Mode == OverrideNone {
		m.drain.start(now, config.DrainTimeout)
	}
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}
