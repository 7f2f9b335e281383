package share_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const header = `h{"v":1,"kind":"say","from":"lb2","sent":"2026-03-01T12:00:00Z"}` + "\n"

// entry is a good line of an entry, with a part of it replaced.
func entry(old, new string) string {
	return strings.Replace(`e{"virtual_server":"web","real_server":"10.0.0.1:80","stamp":{"wall":1772366400000,"origin":"lb2"},"override":{"mode":"drain","since":"2026-03-01T12:00:00Z","by":"root"}}`, old, new, 1) + "\n"
}

func document(old, new string) string {
	return strings.Replace(`d{"name":"lb2","stamp":{"wall":1772366400000,"origin":"lb2"},"version":"1","started":"2026-03-01T12:00:00Z","down":[{"virtual_server":"web","real_server":"10.0.0.1:80","state":"down","since":"2026-03-01T12:00:00Z"}]}`, old, new, 1) + "\n"
}

// TestHostile: lines that no director writes are refused, each by itself: those beside
// them are taken.
func TestHostile(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, line := range map[string]string{
		"no number":           entry(`1772366400000`, `NaN`),
		"no whole number":     entry(`1772366400000`, `1e300`),
		"a number too large":  entry(`1772366400000`, `99999999999999999999`),
		"no time":             entry(`1772366400000`, `-5`),
		"no mode":             entry(`drain`, `explode`),
		"a weight of a drain": entry(`"drain"`, `"drain","weight":7`),
		"a negative weight":   entry(`"drain"`, `"weight","weight":-7`),
		"a giant weight":      entry(`"drain"`, `"weight","weight":65536`),
		"no server":           entry(`10.0.0.1:80`, ``),
		"no address":          entry(`10.0.0.1:80`, `localhost:80`),
		"a zone":              entry(`10.0.0.1:80`, `[fe80::1%eth0]:80`),
		"no virtual server":   entry(`"web"`, `""`),
		"a long name":         entry(`"web"`, `"`+long+`"`),
		"a line end":          entry(`"web"`, `"we\nb"`),
		"an escape":           entry(`"root"`, `"\u001b[2J"`),
		"a long reason":       entry(`"root"`, `"root","reason":"`+long+`"`),
		"a long author":       entry(`"root"`, `"`+long+`"`),
		"no origin":           entry(`"origin":"lb2"`, `"origin":""`),
		"no beginning":        entry(`"since":"2026-03-01T12:00:00Z"`, `"since":"0001-01-01T00:00:00Z"`),
		"an end before":       entry(`"by"`, `"until":"2026-02-01T12:00:00Z","by"`),
		"an end in years":     entry(`"by"`, `"until":"2036-02-01T12:00:00Z","by"`),
		"an end of nothing":   entry(`"drain"`, `"","until":"2026-03-02T12:00:00Z"`),
		"a negative rest":     entry(`e{`, `e{"left_ms":-1,`),
		"cut off":             entry(`}}`, ``),
		"giant":               entry(`"root"`, `"`+strings.Repeat("x", 10<<10)+`"`),
		"no JSON":             "e\x00\n",
		"empty":               "\n",
		"two headers":         header,

		"document of another":    document(`"origin":"lb2"`, `"origin":"lb3"`),
		"document without name":  document(`"name":"lb2"`, `"name":""`),
		"document with an array": document(`"started"`, `"parts":[1,2],"started"`),
		"document with escapes":  document(`"version":"1"`, `"version":"\u001b"`),
		"document, too many":     document(`"started"`, `"keys":["a","b","c","d","e"],"started"`),
		"document, cut of less":  document(`"started"`, `"down_cut":-1,"started"`),
		"document, no state":     document(`"state":"down"`, `"state":""`),
		"document, a long state": document(`"state":"down"`, `"state":"`+long+`"`),
		"document, no server":    document(`"10.0.0.1:80"`, `"10.0.0.1"`),
		"document, NaN":          document(`"started"`, `"servers":NaN,"started"`),
		"document, a router":     document(`"started"`, `"roles":[{"instance":"a","state":"active","virtual_router_id":256}],"started"`),
		"document, many pools":   document(`"started"`, `"pools":{`+many(share.MaxPools+1)+`},"started"`),
		"document, a pool":       document(`"started"`, `"pools":{"web":""},"started"`),
		"document, many parts":   document(`"started"`, `"parts":{`+many(share.MaxParts+1)+`},"started"`),
	} {
		t.Run(name, func(t *testing.T) {
			m, refused, err := share.Decode([]byte(header+entry("web", "before")+line+entry("web", "after")+document("x", "x")), now)
			if err != nil || refused != 1 || len(m.Entries) != 2 || len(m.Documents) != 1 {
				t.Errorf("%d refused, %d entries, %d documents, %v", refused, len(m.Entries), len(m.Documents), err)
			}
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "no header": entry("x", "x"), "another version": strings.Replace(header, `"v":1`, `"v":2`, 1), "nobody": strings.Replace(header, "lb2", "", 1),
		"no time": strings.Replace(header, "2026", "now", 1), "a long header": strings.Replace(header, "lb2", strings.Repeat("x", 2000), 1),
		"an escape": strings.Replace(header, "lb2", `\u001b`, 1), "too long": header + strings.Repeat("x", share.MaxMessage),
	} {
		if _, _, err := share.Decode([]byte(text), now); err == nil {
			t.Errorf("%s: it is a message", name)
		}
	}
	// What a newer version writes besides is passed over.
	if m, refused, err := share.Decode([]byte(header+"z{}\n"+entry(`"by"`, `"colour":"red","by"`)), now); err != nil || refused != 0 || len(m.Entries) != 1 {
		t.Errorf("a newer version: %d refused, %+v, %v", refused, m, err)
	}
}

func many(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%q:%q", fmt.Sprint("part ", i), "0"))
	}
	return strings.Join(all, ",")
}

// TestFull: there is room for so many entries and members and no more. What is remembered
// of lifted ones makes place; what is in force does not.
func TestFull(t *testing.T) {
	s := share.New("lb1")
	for i := range share.MaxEntries {
		o := director.Override{Mode: director.OverrideDrain, Since: now}
		if i == 7 {
			o.Mode = director.OverrideNone
		}
		if _, err := s.Say(key(i), o, now); err != nil {
			t.Fatal(err)
		}
	}
	more := share.Entry{Key: key(share.MaxEntries), Stamp: share.Stamp{Wall: now.UnixMilli(), Origin: "lb2"}, Override: director.Override{Mode: director.OverrideDrain, Since: now}}
	if changed, err := s.Merge(more, 0, now); !changed || err != nil {
		t.Errorf("it has no room beside a lifted one: %v", err)
	}
	if _, ok := s.Entry(key(7)); ok || s.Len() != share.MaxEntries {
		t.Error("the lifted one is still there")
	}
	more.Key = key(share.MaxEntries + 1)
	if changed, err := s.Merge(more, 0, now); changed || !errors.Is(err, share.Full) {
		t.Errorf("one too many: %v, %v", changed, err)
	}
	if _, err := s.Say(more.Key, more.Override, now); !errors.Is(err, share.Full) {
		t.Errorf("one too many is said: %v", err)
	}
	more.Key = key(3)
	more.Stamp.Wall += 1000
	more.Override = director.Override{Since: now}
	if changed, err := s.Merge(more, 0, now); !changed || err != nil {
		t.Errorf("what is there cannot be lifted: %v", err)
	}
	for i := range 2 * share.MaxMembers {
		name := fmt.Sprint("lb", i)
		s.MergeDocument(share.Document{Name: name, Stamp: share.Stamp{Wall: now.UnixMilli(), Origin: name}}, now)
	}
	if n := len(s.Documents()); n != share.MaxMembers {
		t.Errorf("%d documents", n)
	}
	text := s.State().Encode(now)
	if m, refused, err := share.Decode(text, now); err != nil || refused > 0 || len(m.Entries) != share.MaxEntries {
		t.Errorf("a full state is not read: %d bytes, %d refused, %d entries, %v", len(text), refused, len(m.Entries), err)
	}
}

// TestLargest: a state of as much as there is room for, with the longest names, is a
// message that others take, without what has no room.
func TestLargest(t *testing.T) {
	s := share.New("lb1")
	wide := strings.Repeat("\"", 256)
	for i := range share.MaxEntries {
		k := key(i)
		k.VirtualServer = wide
		if _, err := s.Say(k, director.Override{Mode: director.OverrideDrain, Since: now, By: wide, Reason: wide}, now); err != nil {
			t.Fatal(err)
		}
	}
	if text := s.State().Encode(now); len(text) > share.MaxMessage {
		t.Errorf("the entries alone take %d bytes", len(text))
	}
}

// TestPruned: what is over is remembered for a month, and then forgotten, also where
// somebody still tells of it; a member's document, for two days.
func TestPruned(t *testing.T) {
	s := share.New("lb1")
	for i, o := range []director.Override{{}, {Mode: director.OverrideDrain}, {Mode: director.OverrideDrain, Until: now.Add(time.Hour)}} {
		o.Since = now
		if _, err := s.Say(key(i), o, now); err != nil {
			t.Fatal(err)
		}
	}
	s.Describe(share.Document{}, false, now)
	s.MergeDocument(share.Document{Name: "lb2", Stamp: share.Stamp{Wall: now.UnixMilli(), Origin: "lb2"}}, now)
	before := s.Entries()
	s.Prune(now.Add(share.Kept))
	if s.Len() != 3 || len(s.Documents()) != 1 {
		t.Errorf("after a month there are %v and %v", s.Entries(), s.Documents())
	}
	later := now.Add(share.Kept + time.Minute)
	if !s.Prune(later) || s.Len() != 1 {
		t.Errorf("later there are %v", s.Entries())
	}
	for _, h := range before {
		s.Merge(h.Entry, 0, later)
	}
	if s.Len() != 1 {
		t.Errorf("what was forgotten is back: %v", s.Entries())
	}
}

// TestAdopted: what was said before there was a group is shared, and anything that was
// said since wins.
func TestAdopted(t *testing.T) {
	s := share.New("lb1")
	old := director.Override{Mode: director.OverrideDrain, Since: now.Add(-time.Hour)}
	if _, ok := s.Adopt(key(1), old, now); !ok {
		t.Fatal("it is not taken")
	}
	newer := share.Entry{Key: key(1), Stamp: share.Stamp{Wall: now.Add(-time.Minute).UnixMilli(), Origin: "lb2"}, Override: director.Override{Since: now.Add(-time.Minute)}}
	if changed, err := s.Merge(newer, 0, now); !changed || err != nil {
		t.Errorf("a later word does not win: %v", err)
	}
	if _, ok := s.Adopt(key(1), old, now); ok {
		t.Error("an older word is taken beside a later one")
	}
}

// TestBounded: a document of any size becomes one that others take, always the same, and
// tells how much it lacks.
func TestBounded(t *testing.T) {
	var d share.Document
	d.Parts = map[string]string{}
	for i := range 5000 {
		d.Parts[fmt.Sprintf("virtual_server <%d>", i)] = "0123456789abcdef"
		d.Down = append(d.Down, share.Health{VirtualServer: strings.Repeat("&", 200), RealServer: key(i).RealServer, State: "down", Since: now, Reason: "\x1b\xff" + strings.Repeat("x", 500)})
		d.Roles = append(d.Roles, share.Role{Instance: fmt.Sprint(i), State: "active", Since: now})
	}
	d.Version = "\x00" + strings.Repeat("v", 500)
	a, b := share.New("lb1"), share.New("lb2")
	a.Describe(d, false, now)
	if a.Describe(d, false, now) {
		t.Error("the same document is another one")
	}
	text := a.State().Encode(now)
	m, refused, err := share.Decode(text, now)
	if err != nil || refused != 0 || len(text) > share.MaxDocument+1024 {
		t.Fatalf("%d bytes, %d lines refused, %v", len(text), refused, err)
	}
	b.Take(m, now)
	got, ok := b.Document("lb1")
	if !ok || !got.Says(d.Bounded()) && got.Name != "lb1" {
		t.Error("the other one has not got it")
	}
	if len(got.Parts)+got.PartsCut != 5000 || len(got.Down)+got.DownCut != 5000 || got.PartsCut == 0 || len(got.Parts) < 500 {
		t.Errorf("%d parts and %d cut, %d down and %d cut", len(got.Parts), got.PartsCut, len(got.Down), got.DownCut)
	}
}

// FuzzDecode: whatever comes, what is taken of it can be told on, and is within the bounds.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(header + entry("x", "x") + document("x", "x")))
	f.Add([]byte(header + entry(`e{`, `e{"left_ms":1000,`) + entry(`"by"`, `"until":"2026-03-01T13:00:00Z","by"`)))
	f.Add([]byte(header + entry("1772366400000", "9223372036854775807") + "d{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, _, err := share.Decode(text, now)
		if err != nil {
			return
		}
		s := share.New("lb1")
		s.Take(m, now)
		if s.Len() > len(m.Entries) || len(s.Documents()) > len(m.Documents) {
			t.Fatal("there is more than came")
		}
		s.Prune(now)
		again, refused, err := share.Decode(s.State().Encode(now), now)
		if err != nil || refused > 0 || len(again.Entries) != s.Len() || len(again.Documents) != len(s.Documents()) {
			t.Fatalf("what was taken cannot be told on: %d refused, %v\n%s", refused, err, s.State().Encode(now))
		}
		for _, h := range s.Entries() {
			if h.Stamp.Time().Sub(now) > share.MaxAhead {
				t.Fatalf("a stamp of the future is taken: %+v", h)
			}
		}
		if _, err := s.Say(share.Key{VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.0.0.1:80")}, director.Override{Since: now}, now); err != nil {
			t.Fatalf("nothing can be said any more: %v", err)
		}
	})
}
