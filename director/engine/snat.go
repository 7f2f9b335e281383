package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"usher/director"
)

// SNAT keeps source NAT rules in a place of usher's own in the packet filter.
type SNAT interface {
	// Same tells whether rules are the whole content. It changes nothing.
	Same(rules []director.SNATRule) (bool, error)
	// Keep makes rules the whole content; it tells whether it had to change
	// anything. Without rules the place stays, empty: connections that were
	// translated live by it.
	Keep(rules []director.SNATRule) (changed bool, err error)
	// Remove removes the place altogether.
	Remove() error
	// Watch calls changed, which does not block, once it listens and after every change
	// of the rules by anybody, until ctx is done.
	Watch(ctx context.Context, changed func()) error
}

// snatChanges gives the change of the rules that servers ask for, if there is one.
func (d *Engine) snatChanges(servers []director.VirtualServer) ([]director.Change, error) {
	if d.options.SNAT == nil {
		return nil, nil
	}
	rules := director.SNATRules(each(servers))
	same, err := d.options.SNAT.Same(rules)
	if err != nil {
		return nil, fmt.Errorf("director: read the fullnat rules: %w", err)
	}
	if same {
		return nil, nil
	}
	c := director.Change{Action: director.ActionEdit, Kind: "fullnat", After: fmt.Sprintf("source NAT of %d services", len(rules))}
	if len(rules) == 0 {
		c.Action, c.After, c.Before = director.ActionRemove, "", "source NAT of all services"
	}
	return []director.Change{c}, nil
}

// keepSNAT compares the rules with the packet filter's and puts them right. Once there
// were rules, their place stays until Stop.
func (d *Engine) keepSNAT(events *[]director.Event) error {
	if d.options.SNAT == nil {
		return nil
	}
	d.mu.Lock()
	rules := director.SNATRules(d.configured())
	before := d.memory.SNAT
	if len(rules) == 0 && !before {
		d.mu.Unlock()
		return nil
	}
	d.memory.SNAT = len(rules) > 0 || before
	if d.memory.SNAT != before {
		d.persist()
	}
	known := slices.EqualFunc(rules, d.loop.rules, director.SNATRule.Equal)
	d.mu.Unlock()
	changed, err := d.options.SNAT.Keep(rules)
	now := time.Now()
	if err != nil {
		err = fmt.Errorf("director: keep the fullnat rules: %w", err)
		d.report(err.Error(), director.Event{Time: now, Kind: director.EventError, Reason: err.Error()}, events)
		return err
	}
	d.loop.rules = rules
	d.mu.Lock()
	defer d.mu.Unlock()
	if changed && known && len(rules) > 0 {
		d.stats.DriftRepairs++
		*events = append(*events, director.Event{Time: now, Kind: director.EventDrift, Reason: "the fullnat rules were changed by somebody else"})
	}
	return nil
}

// watchSNAT has the packet filter tell of changes of the rules, once there are any:
// they are looked at again at once, not only when the whole table is.
func (d *Engine) watchSNAT(ctx context.Context) {
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
func (d *Engine) filterChanged() {
	d.mu.Lock()
	d.filtered = true
	d.mu.Unlock()
	d.wake()
}

// takeFiltered tells whether the packet filter told of a change.
func (d *Engine) takeFiltered() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := d.filtered
	d.filtered = false
	return changed
}
