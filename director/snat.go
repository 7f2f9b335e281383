package director

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/director/ipvs"
)

// SNATRule is the source NAT of one fullnat service: what came for Service leaves
// for the real servers with an address of Pool, or with the director's own
// address on that side where Pool is empty. It leaves as it came for the servers in
// Except, which the service has by nat; port 0 is every port.
type SNATRule struct {
	Service ipvs.ServiceKey
	Pool    []netip.Prefix
	Except  []netip.AddrPort
}

// SNAT keeps source NAT rules in a place of usher's own in the packet filter.
type SNAT interface {
	// Same tells whether rules are the whole content. It changes nothing.
	Same(rules []SNATRule) (bool, error)
	// Keep makes rules the whole content; it tells whether it had to change
	// anything. Without rules the place stays, empty: connections that were
	// translated live by it.
	Keep(rules []SNATRule) (changed bool, err error)
	// Remove removes the place altogether.
	Remove() error
	// Watch calls changed, which does not block, once it listens and after every change
	// of the rules by anybody, until ctx is done.
	Watch(ctx context.Context, changed func()) error
}

// snatRules gives the rules of all fullnat services, sorted. Caller holds mu.
func (d *Director) snatRules() []SNATRule {
	var rules []SNATRule
	for _, name := range d.order {
		rules = append(rules, d.pools[name].config.snatRules()...)
	}
	slices.SortFunc(rules, func(a, b SNATRule) int { return a.Service.Compare(b.Service) })
	return rules
}

// snatChanges gives the change of the rules that servers ask for, if there is one.
func (d *Director) snatChanges(servers []VirtualServer) ([]Change, error) {
	if d.options.SNAT == nil {
		return nil, nil
	}
	var rules []SNATRule
	for _, vs := range servers {
		rules = append(rules, vs.snatRules()...)
	}
	slices.SortFunc(rules, func(a, b SNATRule) int { return a.Service.Compare(b.Service) })
	same, err := d.options.SNAT.Same(rules)
	if err != nil {
		return nil, fmt.Errorf("director: read the fullnat rules: %w", err)
	}
	if same {
		return nil, nil
	}
	c := Change{Action: ActionEdit, Kind: "fullnat", After: fmt.Sprintf("source NAT of %d services", len(rules))}
	if len(rules) == 0 {
		c.Action, c.After, c.Before = ActionRemove, "", "source NAT of all services"
	}
	return []Change{c}, nil
}

func (vs VirtualServer) snatRules() []SNATRule {
	full := func(rs RealServer) bool { return rs.Forward == FullNAT }
	if !slices.ContainsFunc(vs.Real, full) && !slices.ContainsFunc(vs.Sorry, full) {
		return nil
	}
	var rules []SNATRule
	for _, key := range vs.Keys {
		rule := SNATRule{Service: key, Pool: vs.SNAT}
		vs.servers(func(rs *RealServer) {
			if rs.Forward == NAT {
				dest := destinationKey(key, *rs)
				rule.Except = append(rule.Except, netip.AddrPortFrom(dest.Address, dest.Port))
			}
		})
		rules = append(rules, rule)
	}
	return rules
}

// keepSNAT compares the rules with the packet filter's and puts them right. Once there
// were rules, their place stays until Stop.
func (d *Director) keepSNAT(events *[]Event) error {
	if d.options.SNAT == nil {
		return nil
	}
	d.mu.Lock()
	rules := d.snatRules()
	before := d.memory.SNAT
	if len(rules) == 0 && !before {
		d.mu.Unlock()
		return nil
	}
	d.memory.SNAT = len(rules) > 0 || before
	if d.memory.SNAT != before {
		d.persist()
	}
	known := slices.EqualFunc(rules, d.loop.rules, func(a, b SNATRule) bool {
		return a.Service == b.Service && slices.Equal(a.Pool, b.Pool) && slices.Equal(a.Except, b.Except)
	})
	d.mu.Unlock()
	changed, err := d.options.SNAT.Keep(rules)
	now := time.Now()
	if err != nil {
		err = fmt.Errorf("director: keep the fullnat rules: %w", err)
		d.report(err.Error(), Event{Time: now, Kind: EventError, Reason: err.Error()}, events)
		return err
	}
	d.loop.rules = rules
	d.mu.Lock()
	defer d.mu.Unlock()
	if changed && known && len(rules) > 0 {
		d.stats.DriftRepairs++
		*events = append(*events, Event{Time: now, Kind: EventDrift, Reason: "the fullnat rules were changed by somebody else"})
	}
	return nil
}

// watchSNAT has the packet filter tell of changes of the rules, once there are any:
// they are looked at again at once, not only when the whole table is.
func (d *Director) watchSNAT(ctx context.Context) {
	l := &d.loop
	if l.watching || len(l.rules) == 0 {
		return
	}
	l.watching = true
	l.watchers.Go(func() {
		told := ""
		for {
			err := d.options.SNAT.Watch(ctx, d.filterChanged)
			if ctx.Err() != nil {
				return
			}
			if text := fmt.Sprint(err); text != told {
				told = text
				d.log.Warn("the kernel does not tell of changes of the fullnat rules, they are compared every second", "error", err)
			}
			// What nobody tells of is looked at.
			select {
			case <-ctx.Done():
				return
			case <-time.After(firstGlance):
				d.filterChanged()
			}
		}
	})
}

// filterChanged has Run compare the fullnat rules.
func (d *Director) filterChanged() {
	d.mu.Lock()
	d.filtered = true
	d.mu.Unlock()
	d.wake()
}

// takeFiltered tells whether the packet filter told of a change.
func (d *Director) takeFiltered() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := d.filtered
	d.filtered = false
	return changed
}
