package peers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"usher/cmd/usher/internal/peers/share"
	"usher/director"
	"usher/vrrp/timespan"
)

// Patience with the others when something is said: they are asked once more after a part
// of it.
const (
	sayLimit = time.Second
	sayAgain = 300 * time.Millisecond
)

// Delivery is which of the others have something that was said here.
type Delivery struct {
	Have     []string // their names
	Missing  []Missing
	Unshared string // why nobody is told of it, neither now nor later; "" where all are
	Unsaved  error  // why the state folder does not hold it
}

// Missing is a member that does not have it, as far as is known.
type Missing struct {
	Name, Why string
	Refuses   bool // it does not get it by being heard again
}

// Text tells it to whoever said it; "" where there are no others.
func (d Delivery) Text() string {
	if d.Unshared != "" {
		return "on this director alone: " + d.Unshared
	}
	var parts []string
	if len(d.Have) == 1 {
		parts = append(parts, d.Have[0]+" has it, too")
	} else if len(d.Have) > 1 {
		parts = append(parts, strings.Join(d.Have[:len(d.Have)-1], ", ")+" and "+d.Have[len(d.Have)-1]+" have it, too")
	}
	later := 0
	for _, m := range d.Missing {
		if m.Refuses {
			parts = append(parts, fmt.Sprintf("%s does not take it: %s", m.Name, m.Why))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s does not have it yet: %s", m.Name, m.Why))
		later++
	}
	switch {
	case later == 1:
		parts = append(parts, "it gets it when it is heard again")
	case later > 1:
		parts = append(parts, "they get it when they are heard again")
	}
	if d.Unsaved != nil {
		parts = append(parts, fmt.Sprintf("it is not kept for those who come later: %v", d.Unsaved))
	}
	return strings.Join(parts, "; ")
}

// refusal says of another director why it does not take something, and what to do.
func refusal(why string) string {
	switch share.Refusal(why) {
	case share.Future:
		return "its clock and this director's are more than a day apart; set them, best by NTP"
	case share.Full:
		return fmt.Sprintf("it has %d overrides, and no room for more; lift some by usher enable", share.MaxEntries)
	case share.Invalid:
		return "it takes it for nothing that a director says; give both the same version of usher"
	}
	return why
}

// delivery is one that is waited for.
type delivery struct {
	have    map[string]bool
	refused map[string]string
	left    int
	done    chan struct{} // closed when all have answered
}

// Say shares what an operator said here, which is in force here already, and waits a
// second at the most for the others to have it.
func (n *Node) Say(ctx context.Context, key share.Key, o director.Override) Delivery {
	ctx, cancel := context.WithTimeout(ctx, sayLimit)
	defer cancel()
	now := time.Now()
	n.mu.Lock()
	if n.config == nil {
		n.mu.Unlock()
		return Delivery{}
	}
	delete(n.local, key)
	h, err := n.share.Say(key, o, now)
	m, to := n.running, n.up()
	if err != nil {
		n.mu.Unlock()
		if errors.Is(err, share.Full) {
			return Delivery{Unshared: fmt.Sprintf("%d overrides are shared, and there is no room for more; lift some by usher enable", share.MaxEntries)}
		}
		return Delivery{Unshared: "other directors do not take a virtual server or real server of such a name; say it on each of them"}
	}
	// What another one said may have come into force between the two: ours does once more.
	n.pending[key] = true
	n.toTell()
	n.lastID++
	id := n.lastID
	w := &delivery{have: map[string]bool{}, refused: map[string]string{}, left: len(to), done: make(chan struct{})}
	if len(to) == 0 {
		close(w.done)
	}
	n.waiting[id] = w
	n.mu.Unlock()
	unsaved := n.save(now)
	if m != nil {
		text := share.Message{Header: share.Header{Kind: share.KindSay, From: m.name, ID: id}, Entries: []share.Held{h}}.Encode(now)
		m.delegate.gossip([]share.Held{h}, now)
		n.deliver(ctx, m, to, w, text)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.waiting, id)
	out := n.missing(w, "no answer within "+timespan.Text(sayLimit))
	out.Unsaved = unsaved
	return out
}

// deliver sends a message to all, and waits for their answers.
func (n *Node) deliver(ctx context.Context, m *member, to []*memberlist.Node, w *delivery, text []byte) {
	n.mu.Lock()
	n.beside(m, func() {
		each(to, func(o *memberlist.Node) {
			// Either way is enough, and who hears it twice knows it.
			_ = m.list.SendBestEffort(o, text)
			_ = m.list.SendReliable(o, text)
		})
	})
	n.mu.Unlock()
	again := time.NewTicker(sayAgain)
	defer again.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
		for _, o := range to {
			n.mu.Lock()
			has := w.have[o.Name] || w.refused[o.Name] != ""
			n.mu.Unlock()
			if !has {
				_ = m.list.SendBestEffort(o, text)
			}
		}
	}
}

// missing says who of the others has it. The caller has the lock.
func (n *Node) missing(w *delivery, silent string) (out Delivery) {
	for _, m := range n.members {
		switch {
		case w.have[m.Name]:
			out.Have = append(out.Have, m.Name)
		case w.refused[m.Name] != "":
			out.Missing = append(out.Missing, Missing{Name: m.Name, Why: refusal(w.refused[m.Name]), Refuses: true})
		case m.Up:
			out.Missing = append(out.Missing, Missing{Name: m.Name, Why: silent})
		default:
			out.Missing = append(out.Missing, Missing{Name: m.Name, Why: fmt.Sprintf("%s (since %s)", m.Why, timespan.At(m.Since))})
		}
	}
	if n.running == nil && len(n.members) == 0 && n.failure != nil {
		out.Missing = append(out.Missing, Missing{Name: "every other director", Why: n.failure.Error()})
	} else {
		for _, a := range n.config.Join {
			if a != n.config.Listen && !slices.ContainsFunc(mapped(n.members), func(m *Member) bool { return m.Address == a }) {
				out.Missing = append(out.Missing, Missing{Name: a.String(), Why: whyNever})
			}
		}
	}
	slices.Sort(out.Have)
	slices.SortFunc(out.Missing, func(a, b Missing) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func mapped(all map[string]*Member) (list []*Member) {
	for _, m := range all {
		list = append(list, m)
	}
	return list
}
