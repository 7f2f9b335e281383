package engine

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"usher/director"
)

// sourceNAT are the rules of fullnat services in the packet filter.
type sourceNAT struct {
	log      *slog.Logger
	filter   SNAT // nil where they are not handled
	memory   *memory
	journal  *journal
	rules    []director.SNATRule // as last kept
	changed  bool                // the packet filter told of a change
	watching bool                // and does so
	watchers sync.WaitGroup
}

// due tells, once, whether the packet filter told of a change.
func (n *sourceNAT) due() bool {
	changed := n.changed
	n.changed = false
	return changed
}

// keep compares the rules with the packet filter's and puts them right. Once there were
// rules, their place stays until the end.
func (n *sourceNAT) keep(servers iter.Seq[*director.VirtualServer]) error {
	if n.filter == nil {
		return nil
	}
	rules := director.SNATRules(servers)
	if len(rules) == 0 && !n.memory.SNAT {
		return nil
	}
	if !n.memory.SNAT {
		n.memory.SNAT = true
		n.memory.keep()
	}
	known := slices.EqualFunc(rules, n.rules, director.SNATRule.Equal)
	changed, err := n.filter.Keep(rules)
	now := time.Now()
	if err != nil {
		err = fmt.Errorf("director: keep the fullnat rules: %w", err)
		n.journal.report(err, "", now)
		return err
	}
	n.rules = rules
	if changed && known && len(rules) > 0 {
		n.journal.repaired(director.Event{Time: now, Kind: director.EventDrift, Reason: "the fullnat rules were changed by somebody else"})
	}
	return nil
}

// watch has the packet filter tell of changes of the rules, once there are any: they are
// looked at again at once, not only when the whole table is. changed is called from another
// goroutine, and does not block.
func (n *sourceNAT) watch(ctx context.Context, changed func()) {
	if n.watching || len(n.rules) == 0 {
		return
	}
	n.watching = true
	filter, log := n.filter, n.log
	n.watchers.Go(func() {
		told := ""
		for {
			err := filter.Watch(ctx, changed)
			if ctx.Err() != nil {
				return
			}
			if text := fmt.Sprint(err); text != told {
				told = text
				log.Warn("the kernel does not tell of changes of the fullnat rules, they are compared every second", "error", err)
			}
			// What nobody tells of is looked at.
			select {
			case <-ctx.Done():
				return
			case <-time.After(firstLook):
				changed()
			}
		}
	})
}

// restore removes the place of the rules.
func (n *sourceNAT) restore() error {
	if n.filter == nil || !n.memory.SNAT {
		return nil
	}
	if err := n.filter.Remove(); err != nil {
		return fmt.Errorf("director: remove the fullnat rules: %w", err)
	}
	n.memory.SNAT = false
	return nil
}
