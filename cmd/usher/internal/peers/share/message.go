package share

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// MaxMessage bounds a message in bytes: a state with all the entries and documents that
// there is room for. What a state does not hold goes with the next one.
const MaxMessage = 6 << 20

// Bounds of the lines of a message, in bytes.
const (
	maxHeader = 1 << 10
	maxEntry  = 4 << 10 // names, by and reason, all of them escaped
)

// Kind is what a message is.
type Kind string

// The kinds of messages.
const (
	KindState Kind = "state" // all that the sender knows
	KindSay   Kind = "say"   // entries, or its document, that are new
	KindHave  Kind = "have"  // the answer: the sender has what it was told
	KindLeave Kind = "leave" // the sender leaves, and is not missing
)

// Message is what members send each other.
type Message struct {
	Header
	Entries   []Held // of others: Ends is by our clock
	Documents []Document
}

// Header is the first line of a message.
type Header struct {
	Version int    `json:"v"` // of the format, 1; others are ignored
	Kind    Kind   `json:"kind"`
	From    string `json:"from"`
	// ID is what the answer names; 0 asks for none.
	ID   uint64    `json:"id,omitempty"`
	Why  string    `json:"why,omitempty"` // with KindHave: the Refusal, where the sender does not have it after all
	Sent time.Time `json:"sent"`          // by the sender's clock
}

// wireEntry is an entry as it is sent: for how long it holds instead of until when.
type wireEntry struct {
	Entry
	LeftMS int64 `json:"left_ms,omitempty"`
}

// Encode writes a message: a line of JSON each, its first letter saying of what. Documents
// that have no more room are left out.
func (m Message) Encode(now time.Time) []byte {
	m.Version, m.Sent = 1, moment(now)
	var b bytes.Buffer
	put(&b, 'h', m.Header)
	for _, h := range m.Entries {
		w := wireEntry{Entry: h.Entry}
		if !h.Ends.IsZero() {
			w.LeftMS = max(0, h.Ends.Sub(now).Milliseconds())
		}
		put(&b, 'e', w)
	}
	for _, d := range m.Documents {
		before := b.Len()
		if put(&b, 'd', d); b.Len() > MaxMessage {
			b.Truncate(before)
		}
	}
	return b.Bytes()
}

// put writes a line. What is written has no type that JSON refuses, but for times of years
// that nobody means: then there is no line.
func put(b *bytes.Buffer, of byte, v any) {
	before := b.Len()
	b.WriteByte(of)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		b.Truncate(before)
	}
}

// Decode reads what somebody sent, and gives how many lines of it were refused. An error
// says that it is no message at all.
func Decode(text []byte, now time.Time) (m Message, refused int, err error) {
	if len(text) > MaxMessage {
		return Message{}, 0, Invalid
	}
	first, rest, _ := bytes.Cut(text, []byte{'\n'})
	if len(first) > maxHeader || !take(first, 'h', &m.Header) || m.Version != 1 || !named(m.From, maxName) || !line(m.Why, maxReason) || m.Sent.IsZero() {
		return Message{}, 0, Invalid
	}
	m.Sent = moment(m.Sent)
	for len(rest) > 0 {
		var next []byte
		next, rest, _ = bytes.Cut(rest, []byte{'\n'})
		if !m.line(next, now) {
			refused++
		}
	}
	return m, refused, nil
}

// line reads one, and tells whether it was taken. One of a kind that is not known is of a
// newer version, and is passed over.
func (m *Message) line(text []byte, now time.Time) bool {
	if len(text) == 0 {
		return false
	}
	switch text[0] {
	case 'e':
		var w wireEntry
		if len(text) > maxEntry || len(m.Entries) == MaxEntries || !take(text, 'e', &w) || w.LeftMS < 0 {
			return false
		}
		h := Held{Entry: w.canonical()}
		if h.check() != nil {
			return false
		}
		if lasts := h.lasts(); lasts > 0 {
			h.Ends = moment(now).Add(min(lasts, time.Duration(min(w.LeftMS, longest.Milliseconds()))*time.Millisecond))
		}
		m.Entries = append(m.Entries, h)
	case 'd':
		var d Document
		if len(text) > 2*MaxDocument || len(m.Documents) == MaxMembers || !take(text, 'd', &d) || d.check() != nil {
			return false
		}
		m.Documents = append(m.Documents, d)
	case 'h':
		return false
	}
	return true
}

func take(text []byte, of byte, v any) bool {
	return len(text) > 0 && text[0] == of && json.Unmarshal(text[1:], v) == nil
}

// Take merges a message, and gives what became other entries and documents, and how often
// something was refused by reason.
func (s *State) Take(m Message, now time.Time) (changed []Held, news []string, refused map[Refusal]int) {
	refused = map[Refusal]int{}
	refuse := func(err error) {
		var r Refusal
		if errors.As(err, &r) && r != Old {
			refused[r]++
		}
	}
	for _, h := range m.Entries {
		left := time.Duration(0)
		if !h.Ends.IsZero() {
			left = h.Ends.Sub(now)
		}
		other, err := s.Merge(h.Entry, left, now)
		refuse(err)
		if other {
			changed = append(changed, s.entries[h.Key])
		}
	}
	for _, d := range m.Documents {
		other, err := s.MergeDocument(d, now)
		refuse(err)
		if other {
			news = append(news, d.Name)
		}
	}
	return changed, news, refused
}

// State is the message with all that is known.
func (s *State) State() Message {
	return Message{Header: Header{Kind: KindState, From: s.self}, Entries: s.Entries(), Documents: s.Documents()}
}
