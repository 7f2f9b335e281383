package peers

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"usher/cmd/usher/internal/peers/share"
)

// delegate is what memberlist calls. Nothing of it waits, but for the node's lock. Events
// come with a lock of memberlist's held: nothing may be asked of it while one has ours.
type delegate struct {
	node   *Node
	name   string
	queue  *memberlist.TransmitLimitedQueue
	closed atomic.Bool
	count  atomic.Int64 // of members that are up, this one among them
}

func newDelegate(n *Node, name string) *delegate {
	d := &delegate{node: n, name: name}
	d.count.Store(1)
	d.queue = &memberlist.TransmitLimitedQueue{RetransmitMult: 3, NumNodes: func() int { return int(d.count.Load()) }}
	return d
}

// NodeMeta is empty: a document has more room.
func (d *delegate) NodeMeta(int) []byte { return nil }

// NotifyMsg takes a message.
func (d *delegate) NotifyMsg(b []byte) { d.take(b) }

// GetBroadcasts gives what is to be gossiped.
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

// LocalState gives all that is known.
func (d *delegate) LocalState(bool) []byte {
	d.node.mu.Lock()
	m := d.node.share.State()
	d.node.mu.Unlock()
	m.From = d.name
	return m.Encode(time.Now())
}

// MergeRemoteState takes all that another member knows.
func (d *delegate) MergeRemoteState(b []byte, _ bool) { d.take(b) }

func (d *delegate) take(b []byte) {
	if d.closed.Load() {
		return
	}
	now := time.Now()
	m, refused, err := share.Decode(b, now)
	known := m.Kind == share.KindState || m.Kind == share.KindSay || m.Kind == share.KindHave || m.Kind == share.KindLeave
	if err != nil || !known {
		d.node.guard.refuse(string(share.Invalid), netip.AddrPort{}, 1)
		return
	}
	if m.From == d.name {
		return // our own, by a detour, or another director with our name
	}
	d.node.heard(d, m, refused, now)
}

// maxQueued bounds what waits to be gossiped: what has no room goes with the next exchange
// of states.
const maxQueued = 256

// gossip has entries spread from member to member, beside being sent to each.
func (d *delegate) gossip(all []share.Held, now time.Time) {
	for _, h := range all {
		text := share.Message{Header: share.Header{Kind: share.KindSay, From: d.name}, Entries: []share.Held{h}}.Encode(now)
		if len(text) <= maxGossip {
			d.queue.QueueBroadcast(&broadcast{name: h.VirtualServer + " " + h.RealServer.String(), text: text})
		}
	}
	if d.queue.NumQueued() > maxQueued { // Prune of a queue that never had anything panics
		d.queue.Prune(maxQueued)
	}
}

// maxGossip is how many bytes of a packet a message may take.
const maxGossip = 1100

// broadcast is one entry on its way; a later one of the same server replaces it.
type broadcast struct {
	name string
	text []byte
}

// Name tells entries of one server from others.
func (b *broadcast) Name() string { return b.name }

// Invalidates is not asked of those that have a name.
func (b *broadcast) Invalidates(memberlist.Broadcast) bool { return false }

// Message gives it.
func (b *broadcast) Message() []byte { return b.text }

// Finished says that it went out often enough.
func (b *broadcast) Finished() {}

// address of a node; ok is false where it is none that a member has.
func address(o *memberlist.Node) (netip.AddrPort, bool) {
	a, ok := netip.AddrFromSlice(o.Addr)
	a = a.Unmap()
	return netip.AddrPortFrom(a, o.Port), ok && !a.IsUnspecified() && !a.IsMulticast() && o.Port != 0
}

var errNoMember = errors.New("no name or address of a member, or more members than a group may have")

// NotifyAlive refuses what is no member, or one too many.
func (d *delegate) NotifyAlive(o *memberlist.Node) error {
	if o.Name == d.name {
		return nil
	}
	if _, ok := address(o); !ok || !share.Named(o.Name) || len(o.Meta) > 0 {
		return errNoMember
	}
	d.node.mu.Lock()
	defer d.node.mu.Unlock()
	if d.node.members[o.Name] == nil && len(d.node.members) >= share.MaxMembers-1 && !d.node.evict() {
		return errNoMember
	}
	return nil
}

// evict forgets the member that is gone for the longest time. The caller has the lock.
func (n *Node) evict() bool {
	var oldest *Member
	for _, m := range n.members {
		if !m.Up && (oldest == nil || m.Since.Before(oldest.Since)) {
			oldest = m
		}
	}
	if oldest == nil {
		return false
	}
	delete(n.members, oldest.Name)
	return true
}

// NotifyJoin notes a member that is there.
func (d *delegate) NotifyJoin(o *memberlist.Node) { d.set(o, true, "") }

// NotifyUpdate notes a member that has changed.
func (d *delegate) NotifyUpdate(o *memberlist.Node) { d.set(o, true, "") }

// NotifyLeave notes a member that is gone.
func (d *delegate) NotifyLeave(o *memberlist.Node) {
	d.set(o, false, whySilent)
}

func (d *delegate) set(o *memberlist.Node, up bool, why string) {
	if o.Name == d.name || d.closed.Load() {
		return
	}
	at, _ := address(o)
	n := d.node
	n.mu.Lock()
	m := n.members[o.Name]
	if m == nil {
		if len(n.members) >= share.MaxMembers-1 {
			n.mu.Unlock()
			return
		}
		m = &Member{Name: o.Name}
		n.members[o.Name] = m
	}
	changed := m.Up != up || m.Since.IsZero()
	if changed {
		m.Since = time.Now()
	}
	if !up && m.leaving {
		why = whyLeft
	}
	if up { // what was at the address before has another name now, and is not missing
		for name, was := range n.members {
			if !was.Up && was.Address == at && was != m {
				delete(n.members, name)
			}
		}
	}
	m.Address, m.Up, m.Why, m.leaving = at, up, why, false
	count := int64(1)
	for _, m := range n.members {
		if m.Up {
			count++
		}
	}
	d.count.Store(count)
	n.mu.Unlock()
	n.wake()
	switch {
	case !changed:
	case up:
		n.event(false, fmt.Sprintf("director %s at %s is there", o.Name, at))
	case why == whyLeft:
		n.event(false, fmt.Sprintf("director %s at %s has left", o.Name, at))
	default:
		n.event(true, fmt.Sprintf("director %s at %s does not answer", o.Name, at))
	}
}

// NotifyConflict notes another director with the name of one that is there.
func (d *delegate) NotifyConflict(has, other *memberlist.Node) {
	if d.closed.Load() || has.Name != d.name {
		return
	}
	at, _ := address(other)
	text := fmt.Sprintf("another director at %s has the name %s, too: give each its own by peers.name or global.router_id", at, d.name)
	n, now := d.node, time.Now()
	n.mu.Lock()
	c := &n.conflict
	begins := c.text == "" || now.Sub(c.last) >= conflictKept
	if begins {
		c.since = now
	}
	c.text, c.last = text, now
	n.mu.Unlock()
	if begins {
		n.event(true, text)
	}
}
