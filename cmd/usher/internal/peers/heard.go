package peers

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"usher/cmd/usher/internal/peers/share"
)

// ack is an answer that is owed once entries are in force.
type ack struct {
	to   string
	id   uint64
	keys []share.Key
}

// maxAcks bounds the answers that are owed. Who gets none asks again.
const maxAcks = 256

// heard takes a message of another member, bad lines of which could not be read.
func (n *Node) heard(d *delegate, m share.Message, bad int, now time.Time) {
	n.mu.Lock()
	from := netip.AddrPort{}
	if o := n.members[m.From]; o != nil {
		from, o.Heard, o.ClockAhead = o.Address, now, m.Sent.Sub(now)
	}
	switch m.Kind {
	case share.KindHave:
		n.answered(m)
		n.mu.Unlock()
		return
	case share.KindLeave:
		if o := n.members[m.From]; o != nil {
			o.leaving = true
		}
		n.mu.Unlock()
		return
	case share.KindState:
		n.alone = false
	}
	changed, news, refused := n.share.Take(m, now)
	if bad > 0 {
		refused[share.Invalid] += bad
	}
	for _, h := range changed {
		n.pending[h.Key] = true
		delete(n.local, h.Key)
		n.unsaved = true
	}
	for _, name := range news {
		if o := n.members[name]; o != nil {
			o.Heard = now
		}
		if name == d.name { // one of ours from before a restart is about
			n.news = true
		}
	}
	var owed *ack
	if m.ID != 0 {
		owed = &ack{to: m.From, id: m.ID}
		for _, h := range m.Entries {
			owed.keys = append(owed.keys, h.Key)
		}
		if len(refused) == 0 && len(n.acks) < maxAcks {
			n.acks = append(n.acks, *owed)
		}
	}
	n.mu.Unlock()
	for reason, count := range refused {
		n.guard.refuse(string(reason), from, count)
		if owed != nil {
			n.answer(*owed, string(reason))
		}
	}
	d.gossip(changed, now)
	if len(changed) > 0 || owed != nil {
		n.toTell()
	}
	if len(news) > 0 {
		n.wake()
	}
}

// answered notes an answer. The caller has the lock.
func (n *Node) answered(m share.Message) {
	w := n.waiting[m.ID]
	if w == nil || w.have[m.From] || w.refused[m.From] != "" || w.left == 0 {
		return
	}
	if m.Why == "" {
		w.have[m.From] = true
	} else {
		w.refused[m.From] = m.Why
	}
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

// answer sends one; who does not get it asks again.
func (n *Node) answer(a ack, why string) {
	n.mu.Lock()
	m, o := n.running, n.members[a.to]
	if m == nil || o == nil {
		n.mu.Unlock()
		return
	}
	to := nodeOf(o)
	n.mu.Unlock()
	text := share.Message{Header: share.Header{Kind: share.KindHave, From: m.name, ID: a.id, Why: why}}.Encode(time.Now())
	_ = m.list.SendBestEffort(to, text)
}

// What others say is put into force so many servers at once, and so many a second in the
// long run: each costs this director a look at a pool and a line of its log.
const (
	tellAtOnce    = 256
	tellPerSecond = 20
	tellBurst     = 1024
)

// tell has Heard put into force what others said, and answers them, until ctx ends.
func (n *Node) tell(ctx context.Context) {
	rate := newPace(tellPerSecond, tellBurst)
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.work:
		}
		for n.tellSome(rate) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// tellSome does it for some, and says whether there are more.
func (n *Node) tellSome(rate *pace) (more bool) {
	now := time.Now()
	n.mu.Lock()
	keys := make([]share.Key, 0, len(n.pending))
	for k := range n.pending {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, share.Key.Compare)
	keys = keys[:rate.take(min(len(keys), tellAtOnce))]
	var batch []share.Held
	for _, k := range keys {
		delete(n.pending, k)
		n.applying[k] = true
		if h, ok := n.share.Entry(k); ok {
			batch = append(batch, h)
		}
	}
	n.mu.Unlock()
	if len(batch) > 0 {
		n.o.Heard(batch)
		if err := n.save(now); err != nil {
			n.o.Log.Debug("what is shared with other directors is not kept", "error", err)
		}
	}
	n.mu.Lock()
	clear(n.applying)
	var due []ack
	n.acks = slices.DeleteFunc(n.acks, func(a ack) bool {
		if slices.ContainsFunc(a.keys, func(k share.Key) bool { return n.pending[k] }) {
			return false
		}
		due = append(due, a)
		return true
	})
	more = len(n.pending) > 0
	n.mu.Unlock()
	for _, a := range due {
		n.answer(a, "")
	}
	return more
}
