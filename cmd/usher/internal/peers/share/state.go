package share

import (
	"maps"
	"slices"
	"time"

	"usher/director"
)

// State is what one member knows. Its methods take the wall clock, and are not safe for
// use by several goroutines at once.
type State struct {
	self    string
	clock   Clock
	entries map[Key]Held
	docs    map[string]Document
}

// Held is an entry and when it is over by the clock of whoever has it: clocks differ, and
// a drain for two hours shall last two hours everywhere. Ends is zero where it has no end.
type Held struct {
	Entry
	Ends time.Time
}

// over tells whether nothing is said any more.
func (h Held) over(now time.Time) bool {
	return h.lifts() || !h.Ends.IsZero() && !now.Before(h.Ends)
}

// Local is what is said by one's own clock, lifted where it is over.
func (h Held) Local(now time.Time) director.Override {
	o := h.Override
	if h.over(now) {
		return director.Override{Since: now, By: o.By}
	}
	if !h.Ends.IsZero() {
		o.Since, o.Until = h.Ends.Add(-h.lasts()), h.Ends
	}
	return o
}

// New is the state of a member that knows nothing yet.
func New(self string) *State {
	return &State{self: self, clock: Clock{origin: self}, entries: map[Key]Held{}, docs: map[string]Document{}}
}

// Say notes what an operator said here, later than everything that is known. It fails
// where an entry has no room, or is none that others would take.
func (s *State) Say(key Key, o director.Override, now time.Time) (Held, error) {
	return s.write(Entry{Key: key, Stamp: s.clock.Next(now), Override: o}, now)
}

// Adopt notes what was said before there was a group. It is as old as it is: what anybody
// said since wins, and nothing happens where something is known of that server.
func (s *State) Adopt(key Key, o director.Override, now time.Time) (Held, bool) {
	if _, known := s.entries[key]; known || o.Since.After(now.Add(MaxAhead)) {
		return Held{}, false
	}
	h, err := s.write(Entry{Key: key, Stamp: Stamp{Wall: max(1, o.Since.UnixMilli()), Origin: s.self}, Override: o}, now)
	return h, err == nil
}

func (s *State) write(e Entry, now time.Time) (Held, error) {
	e.Override.By, e.Override.Reason = cut(e.Override.By, maxBy), cut(e.Override.Reason, maxReason)
	e = e.canonical()
	h := Held{Entry: e}
	if lasts := e.lasts(); lasts > 0 {
		h.Ends = moment(now).Add(min(lasts, e.Override.Until.Sub(moment(now))))
	}
	if err := e.check(); err != nil {
		return Held{}, err
	}
	if _, known := s.entries[e.Key]; !known && !s.room() {
		return Held{}, Full
	}
	s.entries[e.Key] = h
	return h, nil
}

// room tells whether there is room for one more entry; of those that only tell that
// something is over the oldest makes place.
func (s *State) room() bool {
	if len(s.entries) < MaxEntries {
		return true
	}
	var oldest *Held
	for _, h := range s.entries {
		if h.lifts() && (oldest == nil || h.Stamp.Compare(oldest.Stamp) < 0) {
			oldest = &h
		}
	}
	if oldest == nil {
		return false
	}
	delete(s.entries, oldest.Key)
	return true
}

// Merge takes an entry that somebody sent, which holds for left more; it tells whether
// that changed anything.
func (s *State) Merge(e Entry, left time.Duration, now time.Time) (changed bool, err error) {
	e = e.canonical()
	if err := e.check(); err != nil {
		return false, err
	}
	if err := s.clock.See(e.Stamp, now); err != nil {
		return false, err
	}
	h := Held{Entry: e}
	if lasts := e.lasts(); lasts > 0 {
		h.Ends = moment(now).Add(max(0, min(left, lasts)))
	}
	if h.forgotten(now) {
		return false, Old
	}
	if was, known := s.entries[e.Key]; known {
		if e.Compare(was.Entry) <= 0 {
			return false, nil
		}
	} else if !s.room() {
		return false, Full
	}
	s.entries[e.Key] = h
	return true, nil
}

// forgotten tells whether an entry is only a memory, and so old that it is none any more.
func (h Held) forgotten(now time.Time) bool {
	return h.over(now) && now.Sub(h.Stamp.Time()) > Kept
}

// Describe sets what this member says of itself, and tells whether that is something else
// than before. again has it written anew all the same, for the others to know that it lives.
func (s *State) Describe(d Document, again bool, now time.Time) (changed bool) {
	d.Name = s.self
	d = d.Bounded()
	was, had := s.docs[s.self]
	if had && was.Says(d) && !again {
		return false
	}
	d.Stamp = s.clock.Next(now)
	s.docs[s.self] = d
	return !had || !was.Says(d)
}

// MergeDocument takes the document of another member, from whoever sent it, and tells
// whether it is news. One of our own name, from before a restart with a clock that was ahead,
// has ours written anew, which is the news then.
func (s *State) MergeDocument(d Document, now time.Time) (news bool, err error) {
	if err := d.check(); err != nil {
		return false, err
	}
	if err := s.clock.See(d.Stamp, now); err != nil {
		return false, err
	}
	was, known := s.docs[d.Name]
	if d.Name == s.self {
		if known && d.Stamp.Compare(was.Stamp) > 0 {
			was.Stamp = s.clock.Next(now)
			s.docs[s.self] = was
			return true, nil
		}
		return false, nil
	}
	switch {
	case now.Sub(d.Stamp.Time()) > documentKept:
		return false, Old
	case known && d.Stamp.Compare(was.Stamp) <= 0:
		return false, nil
	case !known && len(s.docs) >= MaxMembers:
		return false, Full
	}
	s.docs[d.Name] = d
	return true, nil
}

// Prune forgets what is over, and long ago. Where the machine's clock was far ahead and
// has been set, what was written with it is written anew, or nobody would take it.
func (s *State) Prune(now time.Time) (changed bool) {
	before := len(s.entries) + len(s.docs)
	maps.DeleteFunc(s.entries, func(_ Key, h Held) bool { return h.forgotten(now) })
	maps.DeleteFunc(s.docs, func(name string, d Document) bool {
		return name != s.self && now.Sub(d.Stamp.Time()) > documentKept
	})
	if !s.clock.settle(now) {
		return len(s.entries)+len(s.docs) != before
	}
	all := s.Entries()
	slices.SortFunc(all, func(a, b Held) int { return a.Stamp.Compare(b.Stamp) })
	for _, h := range all {
		if h.Stamp.Time().Sub(now) > MaxAhead {
			h.Stamp = s.clock.Next(now)
			s.entries[h.Key] = h
		} else if err := s.clock.See(h.Stamp, now); err != nil {
			delete(s.entries, h.Key)
		}
	}
	if own, ok := s.docs[s.self]; ok {
		own.Stamp = s.clock.Next(now)
		s.docs[s.self] = own
	}
	return true
}

// Entry is what is known of a server.
func (s *State) Entry(key Key) (Held, bool) {
	h, ok := s.entries[key]
	return h, ok
}

// Len is how many entries there are.
func (s *State) Len() int { return len(s.entries) }

// Entries are all, by key.
func (s *State) Entries() []Held {
	return slices.SortedFunc(maps.Values(s.entries), func(a, b Held) int { return a.Key.Compare(b.Key) })
}

// Document is that of a member.
func (s *State) Document(name string) (Document, bool) {
	d, ok := s.docs[name]
	return d, ok
}

// Documents are those of all members, this one's among them, by name.
func (s *State) Documents() []Document {
	var all []Document
	for _, name := range slices.Sorted(maps.Keys(s.docs)) {
		all = append(all, s.docs[name])
	}
	return all
}
