package peers

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"usher/cmd/usher/internal/peers/share"
)

// View is how the group looks from this member.
type View struct {
	On     bool // there is a group
	Name   string
	Listen netip.AddrPort
	Error  string    // why it does not listen; "" where it does
	Since  time.Time // since when that is so
	// Conflict tells of another director that has our name, "" for none lately.
	Conflict      string
	ConflictSince time.Time
	Self          share.Document
	Members       []Member          // the others, by name and address
	Refused       map[string]uint64 // what came and was not taken, by reason
	LastRefused   *Refused          // nil for none
	Entries       int               // overrides, and what is remembered of lifted ones
	Alone         bool              // nobody answered at the start, nor since
}

// Member is another member.
type Member struct {
	Name     string // "" for an address to be joined where nobody ever answered
	Address  netip.AddrPort
	Up       bool
	Since    time.Time // of Up, or of not being so
	Heard    time.Time // when anything of it came last; zero for never
	Why      string    // why it is not up
	Document *share.Document
	// ClockAhead is by how much its clock is ahead of ours, the way of a message apart.
	ClockAhead time.Duration

	leaving bool // it said so
}

// Why a member is not up.
const (
	whySilent = "does not answer"
	whyLeft   = "left"
	whyNever  = "never heard"
)

// View gives it. It never waits for the network.
func (n *Node) View() View {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.config == nil {
		return View{}
	}
	v := View{On: true, Name: n.config.Name, Listen: n.config.Listen, Since: n.since, Entries: n.share.Len(), Alone: n.alone}
	if n.failure != nil {
		v.Error = n.failure.Error()
	}
	if c := n.conflict; c.text != "" && time.Since(c.last) < conflictKept {
		v.Conflict, v.ConflictSince = c.text, c.since
	}
	v.Self, _ = n.share.Document(n.config.Name)
	v.Refused, v.LastRefused = n.guard.refused()
	addresses := map[netip.AddrPort]bool{n.config.Listen: true}
	for _, m := range n.members {
		addresses[m.Address] = true
		out := *m
		if d, ok := n.share.Document(m.Name); ok {
			out.Document = &d
		}
		v.Members = append(v.Members, out)
	}
	for _, a := range n.config.Join {
		if !addresses[a] {
			v.Members = append(v.Members, Member{Address: a, Since: n.since, Why: whyNever})
		}
	}
	slices.SortFunc(v.Members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Address.Compare(b.Address))
	})
	return v
}
