package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/vrrpproc"
	"usher/conf"
	"usher/vrrp"
	"usher/vrrp/timespan"
)

// handoverSlack is how much longer than the protocol takes the outcome of a handover is
// awaited; handoverLook is how often one looks at least, for the case that the VRRP
// process died and says no more.
const (
	handoverSlack = 5 * time.Second
	handoverLook  = time.Second
)

// handovers are what operators ask of instances: to be handed to the peer, and maintenance,
// in which all of them are.
type handovers struct {
	*current
	happened *events.Ring // whose news an outcome is awaited by
	record   func(events.Event)
	change   func(context.Context) bool     // takes the turn to change what runs; false where the daemon stops
	done     func()                         // gives it back
	keep     func(on bool, by string) error // has maintenance outlive a restart

	retiring *retiring // nil where no way into maintenance is under way; under current's lock
}

// Failover hands an instance's addresses, with its sync group's, to its peer and says
// what has come of it. Where nobody takes over they are taken back, which is an error.
func (h *handovers) Failover(ctx context.Context, n api.Name, by string) (string, error) {
	c := h.running()
	if !slices.ContainsFunc(c.Instances, func(i conf.Instance) bool { return i.Name == n.Instance }) {
		return "", unknown("instance", n.Instance, names(c.Instances, func(i conf.Instance) string { return i.Name }))
	}
	process := h.now().vrrp
	if err := process.Failover(n.Instance); err != nil {
		return "", &refusedError{err.Error()}
	}
	h.record(events.Event{Kind: "failover", Instance: n.Instance, Reason: "asked for by " + somebody(by)})
	if n.NoWait {
		return n.Instance + ": the handover has begun", nil
	}
	gone, stayed, err := h.outcomes(ctx, process, siblings(c, n.Instance))
	if err != nil {
		return "", err
	}
	if len(stayed) > 0 {
		return "", &refusedError{nobody(c, stayed)}
	}
	return told(gone) + fmt.Sprintf(". It comes back when that director fails, or hands over: usher failover %s there", n.Instance), nil
}

// siblings are an instance with the others of its sync group.
func siblings(c *conf.Config, instance string) []string {
	for _, g := range c.Groups {
		if slices.Contains(g.Instances, instance) {
			return g.Instances
		}
	}
	return []string{instance}
}

// told says where instances have gone.
func told(gone []vrrp.Status) string {
	words := make([]string, len(gone))
	for i, s := range gone {
		words[i] = s.Name + " handed over"
		if s.ActiveRouter.IsValid() {
			words[i] += " to " + s.ActiveRouter.String()
		}
	}
	return strings.Join(words, ", ")
}

// nobody says that instances found no successor.
func nobody(c *conf.Config, stayed []vrrp.Status) string {
	all := names(stayed, func(s vrrp.Status) string { return s.Name })
	return fmt.Sprintf("nobody has taken over %s within %s: no peer is heard. The addresses have stayed, this director is active", strings.Join(all, ", "), timespan.Text(waitFor(c, all)))
}

// waitFor is how long the peers of instances have to answer a handover: as long as the
// lowest priority may take where the resignation was lost.
func waitFor(c *conf.Config, all []string) (longest time.Duration) {
	for _, i := range c.Instances {
		if slices.Contains(all, i.Name) {
			longest = max(longest, time.Duration(i.DownAdverts+2)*i.Interval)
		}
	}
	return longest
}

// outcomes waits until none of some instances is being handed over any more, and gives
// those that have gone and those that are still, or again, active here.
func (h *handovers) outcomes(ctx context.Context, process VRRP, all []string) (gone, stayed []vrrp.Status, err error) {
	limit := waitFor(h.running(), all) + handoverSlack
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(handoverLook)
	defer tick.Stop()
	for {
		_, _, more := h.happened.List(events.Filter{Limit: 1})
		leaving := false
		gone, stayed = nil, nil
		for _, s := range process.Status() {
			switch {
			case !slices.Contains(all, s.Name):
			case s.State == vrrp.Active && s.Leaving:
				leaving = true
			case s.State == vrrp.Active:
				stayed = append(stayed, s)
			case s.State == vrrp.Backup, s.State == vrrp.Initialize && h.now().maintenance:
				gone = append(gone, s)
			default:
				return nil, nil, fmt.Errorf("%s is in state %s: %s", s.Name, s.State, s.Reason)
			}
		}
		if !leaving {
			return gone, stayed, nil
		}
		select {
		case <-more:
		case <-tick.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-deadline.C:
			return nil, nil, fmt.Errorf("the handover of %s has no outcome after %s", strings.Join(all, ", "), timespan.Text(limit))
		}
	}
}

// retiring is a way into maintenance that is not at its end.
type retiring struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the others are set
	text   string
	err    error
}

// Maintenance holds every instance back, or lets it run again, and says what has come of
// it. What is active is handed over first. Where nobody takes over the addresses stay and
// it is refused, unless it is forced. It outlives a restart.
func (h *handovers) Maintenance(ctx context.Context, s api.Switch, by string) (string, error) {
	if !s.On {
		h.stopRetiring()
		return h.setMaintenance(false, by, "maintenance off")
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it goes on though the one who asked goes away
	r := &retiring{cancel: cancel, done: make(chan struct{})}
	h.mu.Lock()
	already, on := h.retiring != nil, h.maintenance
	if !already && !on {
		h.retiring = r
	}
	h.mu.Unlock()
	if already || on {
		cancel()
		if on {
			return "maintenance is on already", nil
		}
		return "", &refusedError{"the way into maintenance has begun already"}
	}
	go func() {
		defer close(r.done)
		defer cancel()
		r.text, r.err = h.retire(own, s.Force, by)
		h.mu.Lock()
		h.retiring = nil
		h.mu.Unlock()
		if r.err != nil {
			h.record(events.Event{Kind: "maintenance", Severity: events.Warning, To: "off", Reason: r.err.Error()})
		}
	}()
	if s.NoWait {
		return "the way into maintenance has begun", nil
	}
	select {
	case <-r.done:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// stopRetiring takes a way into maintenance back, where there is one, and waits for its end.
func (h *handovers) stopRetiring() {
	h.mu.Lock()
	r := h.retiring
	h.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// retire hands over what is active, and begins maintenance when nothing is any more.
func (h *handovers) retire(ctx context.Context, force bool, by string) (string, error) {
	process := h.now().vrrp
	if process == nil {
		return h.setMaintenance(true, by, "maintenance on")
	}
	active := actives(process)
	if force {
		unkept, err := h.setMaintenance(true, by, "")
		if err != nil {
			return "", err
		}
		gone, _, err := h.outcomes(ctx, process, active)
		return summaryOf(gone) + unkept, err
	}
	var all []vrrp.Status
	for len(active) > 0 { // another may become active meanwhile
		gone, err := h.handOver(ctx, process, active)
		if err != nil {
			return "", err
		}
		all = append(all, gone...)
		active = actives(process)
	}
	return h.setMaintenance(true, by, summaryOf(all))
}

// summaryOf says what maintenance has done to instances that were active.
func summaryOf(gone []vrrp.Status) string {
	text := "maintenance on, until usher maintenance off"
	var alone []string
	for _, s := range gone {
		if !s.ActiveRouter.IsValid() {
			alone = append(alone, s.Name)
			continue
		}
		text += ", " + told([]vrrp.Status{s})
	}
	if len(alone) > 0 {
		text += "; nobody is known to hold the addresses of " + strings.Join(alone, ", ")
	}
	return text
}

// actives names the instances that are active and stay so.
func actives(process VRRP) (all []string) {
	for _, s := range process.Status() {
		if s.State == vrrp.Active && !s.Leaving {
			all = append(all, s.Name)
		}
	}
	return all
}

// handOver hands instances over, and gives those that are gone; that some found no
// successor is an error, and so is that it was taken back.
func (h *handovers) handOver(ctx context.Context, process VRRP, active []string) ([]vrrp.Status, error) {
	c := h.running()
	begun := map[string]bool{}
	for _, name := range active {
		if begun[name] {
			continue
		}
		for _, member := range siblings(c, name) {
			begun[member] = true
		}
		if err := process.Failover(name); err != nil {
			return nil, errors.Join(&refusedError{err.Error()}, process.Stay())
		}
	}
	gone, stayed, err := h.outcomes(ctx, process, active)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, errors.Join(&refusedError{"maintenance was taken back before it had begun"}, process.Stay())
	case err != nil:
		return nil, errors.Join(err, process.Stay())
	case len(stayed) > 0:
		text := nobody(c, stayed) + ", and maintenance is refused: --force takes them down all the same"
		if len(gone) > 0 {
			text += ". " + told(gone) + ", and stays there until that director fails or hands over"
		}
		return nil, &refusedError{text}
	}
	return gone, nil
}

// setMaintenance makes it so, for the VRRP process and for what comes after this one. A
// state folder that cannot be written is no reason to stay: a director on which the disk
// is full is one to leave. It gives what was done, and what a restart would forget.
func (h *handovers) setMaintenance(on bool, by, done string) (string, error) {
	if !h.change(context.Background()) {
		return "", &refusedError{"usher is stopping"}
	}
	defer h.done()
	unkept := h.keep(on, by)
	h.mu.Lock()
	h.maintenance, h.maintained, h.unkept = on, time.Now(), unkept // even if VRRP does not confirm it: it holds for the next process as well
	process, announcer := h.vrrp, h.announcer
	h.mu.Unlock()
	if announcer != nil {
		announcer.SetMaintenance(on)
	}
	e := events.Event{Kind: "maintenance", To: "off", Reason: "asked for by " + somebody(by)}
	if on {
		e.To = "on"
	}
	if unkept != nil {
		text := forgotten(on, unkept)
		done, e.Reason, e.Severity = done+"; "+text, e.Reason+"; "+text, events.Warning
	}
	if process != nil {
		if err := process.Maintenance(on); err != nil && !errors.Is(err, vrrpproc.ErrNoChild) {
			return "", err
		}
	}
	h.record(e)
	return done, nil
}

// forgotten says what a restart would make of maintenance that is not in the state folder.
func forgotten(on bool, unkept error) string {
	if on {
		return fmt.Sprintf("a restart would end it, for it could not be written down: %v", unkept)
	}
	return fmt.Sprintf("a restart would bring it back, for its end could not be written down: %v", unkept)
}
