package peers

import (
	"context"
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
	Have    []string // their names
	Missing []Missing
	Unsaved error // why the state folder does not hold it
}

// Missing is a member that does not have it, as far as is known.
type Missing struct{ Name, Why string }

// Text tells it to whoever said it; "" where there are no others.
func (d Delivery) Text() string {
	var parts []string
	if len(d.Have) == 1 {
		parts = append(parts, d.Have[0]+" has it, too")
	} else if len(d.Have) > 1 {
		parts = append(parts, strings.Join(d.Have[:len(d.Have)-1], ", ")+" and "+d.Have[len(d.Have)-1]+" have it, too")
	}
	for _, m := range d.Missing {
		parts = append(parts, fmt.Sprintf("%s does not have it yet: %s", m.Name, m.Why))
	}
	if len(d.Missing) > 0 {
		parts = append(parts, "it gets it when it is heard again")
		if len(d.Missing) > 1 {
			parts[len(parts)-1] = "they get it when they are heard again"
		}
	}
	if d.Unsaved != nil {
		parts = append(parts, fmt.Sprintf("it is not kept for those who come later: %v", d.Unsaved))
	}
	return strings.Join(parts, "; ")
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
		out := n.missing(nil, fmt.Sprintf("it cannot be shared (%v)", err))
		n.mu.Unlock()
		return out
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
		case w != nil && w.have[m.Name]:
			out.Have = append(out.Have, m.Name)
		case w != nil && w.refused[m.Name] != "":
			out.Missing = append(out.Missing, Missing{m.Name, "it refuses it: " + w.refused[m.Name]})
		case m.Up:
			out.Missing = append(out.Missing, Missing{m.Name, silent})
		default:
			out.Missing = append(out.Missing, Missing{m.Name, fmt.Sprintf("%s (since %s)", m.Why, timespan.At(m.Since))})
		}
	}
	if n.running == nil && len(n.members) == 0 && n.failure != nil {
		out.Missing = append(out.Missing, Missing{"every other director", n.failure.Error()})
	} else {
		for _, a := range n.config.Join {
			if a != n.config.Listen && !slices.ContainsFunc(mapped(n.members), func(m *Member) bool { return m.Address == a }) {
				out.Missing = append(out.Missing, Missing{a.String(), whyNever})
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
