package discover

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Stored are the sets of a pool as the state folder has them.
type Stored struct {
	VirtualServer string      `json:"virtual_server"`
	Sources       []StoredSet `json:"sources"`
	Left          []Left      `json:"left,omitempty"` // lately
}

// StoredSet is the last good set of one source.
type StoredSet struct {
	// Source tells what the source lists from what others do, without its URL, which may
	// hold a secret.
	Source    string    `json:"source"`
	Entries   []Entry   `json:"entries"`
	Held      []Entry   `json:"held,omitempty"`
	Confirmed time.Time `json:"confirmed"`
	Changed   time.Time `json:"changed"`
}

// Stored gives what is to be remembered of the pool.
func (p *Pool) Stored() Stored {
	out := Stored{VirtualServer: p.config.Server.Name, Left: p.left}
	for i := range p.sets {
		if s := &p.sets[i]; !s.Confirmed.IsZero() {
			out.Sources = append(out.Sources, StoredSet{
				Source: digest(&p.config.Sources[i]), Entries: s.Entries, Held: s.Held, Confirmed: s.Confirmed, Changed: s.Changed,
			})
		}
	}
	return out
}

// Restore takes the sets that were remembered, of sources that have not answered yet. A
// set of a source that the configuration no longer has goes to one that has none, as in
// Update.
func (p *Pool) Restore(from Stored) {
	left := slices.Clone(from.Sources)
	var heir *Set
	for i := range p.sets {
		set := &p.sets[i]
		at := slices.IndexFunc(left, func(s StoredSet) bool { return s.Source == digest(&p.config.Sources[i]) })
		switch {
		case at >= 0:
			if s := left[at]; set.Confirmed.IsZero() {
				set.Entries, set.Held, set.Confirmed, set.Changed = sorted(s.Entries), sorted(s.Held), s.Confirmed, s.Changed
			}
			left = slices.Delete(left, at, at+1)
		case heir == nil && set.Confirmed.IsZero():
			heir = set
		}
	}
	if heir != nil {
		for _, s := range left {
			heir.Entries, heir.Borrowed = sorted(slices.Concat(heir.Entries, s.Entries, s.Held)), true
			if s.Confirmed.After(heir.Confirmed) {
				heir.Confirmed = s.Confirmed
			}
		}
	}
	if len(p.left) == 0 {
		p.left = from.Left
	}
	p.servers, _ = p.resolve()
}

func digest(s *Source) string {
	sum := sha256.Sum256([]byte(s.identity()))
	return hex.EncodeToString(sum[:16])
}
