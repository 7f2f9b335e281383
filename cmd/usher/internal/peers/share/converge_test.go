package share_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// group are members whose clocks differ, and messages between them that are late, lost,
// doubled and out of order.
type group struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	members []*share.State
	names   []string
	skews   []time.Duration
	sides   []int // of a partition
	flight  []flight
	bytes   int
}

type flight struct {
	to   int
	text []byte
}

func newGroup(t *testing.T, seed uint64, size int) *group {
	g := &group{t: t, r: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), sides: make([]int, size)}
	for i := range size {
		name := fmt.Sprintf("lb%d", i)
		g.names, g.members = append(g.names, name), append(g.members, share.New(name))
		g.skews = append(g.skews, time.Duration(g.r.IntN(7200)-3600)*time.Second)
	}
	g.skews[0] = time.Hour
	return g
}

// clock is a member's own.
func (g *group) clock(i int) time.Time { return g.now.Add(g.skews[i]) }

func key(i int) share.Key {
	return share.Key{VirtualServer: "web", RealServer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)}
}

// say has a member say something of a server, and gives it.
func (g *group) say(i int, k share.Key, o director.Override) share.Held {
	g.t.Helper()
	o.Since = g.clock(i)
	h, err := g.members[i].Say(k, o, g.clock(i))
	if err != nil {
		g.t.Fatal(err)
	}
	return h
}

func (g *group) any() director.Override {
	o := director.Override{By: fmt.Sprint("root", g.r.IntN(3))}
	switch g.r.IntN(4) {
	case 0:
		o.Mode = director.OverrideDrain
	case 1:
		o.Mode = director.OverrideDisable
	case 2:
		o.Mode, o.Weight = director.OverrideWeight, g.r.IntN(100)
	}
	return o
}

// send puts a message on its way, unless it is lost.
func (g *group) send(from, to int, m share.Message) {
	m.From = g.names[from]
	text := m.Encode(g.clock(from))
	g.bytes += len(text)
	for range []int{0, 1, 1, 1, 2}[g.r.IntN(5)] {
		g.flight = append(g.flight, flight{to, text})
	}
}

// arrive has one of the messages arrive, whichever.
func (g *group) arrive() {
	if len(g.flight) == 0 {
		return
	}
	i := g.r.IntN(len(g.flight))
	f := g.flight[i]
	g.flight[i] = g.flight[len(g.flight)-1]
	g.flight = g.flight[:len(g.flight)-1]
	g.take(f.to, f.text)
}

func (g *group) take(to int, text []byte) {
	g.t.Helper()
	m, refused, err := share.Decode(text, g.clock(to))
	if err != nil || refused > 0 {
		g.t.Fatalf("%d lines, %v: %s", refused, err, text)
	}
	for i, name := range g.names {
		if name == m.From && g.sides[i] != g.sides[to] {
			return
		}
	}
	if _, _, no := g.members[to].Take(m, g.clock(to)); len(no) > 0 {
		g.t.Fatalf("refused: %v", no)
	}
}

// heal lets all hear each other once, in any order, twice.
func (g *group) heal() {
	clear(g.sides)
	g.flight = nil
	for range 2 {
		for _, i := range g.r.Perm(len(g.members)) {
			for _, j := range g.r.Perm(len(g.members)) {
				if i != j {
					m := g.members[i].State()
					g.take(j, m.Encode(g.clock(i)))
				}
			}
		}
	}
}

// alike fails where two members end with other states.
func (g *group) alike() {
	g.t.Helper()
	state := func(s *share.State) string {
		m := s.State()
		m.From = "anybody"
		for i := range m.Entries {
			m.Entries[i].Ends = time.Time{}
		}
		return string(m.Encode(g.now))
	}
	want := state(g.members[0])
	for i, m := range g.members[1:] {
		if got := state(m); got != want {
			g.t.Fatalf("%s and %s differ (-first +second):\n%s", g.names[0], g.names[i+1], cmp.Diff(want, got))
		}
	}
}

// TestConverges: whatever is said where, and in whatever order, how often and by whom it
// is heard, all end in one state, and what is said last, after everything was heard, wins
// on all: also where the one who says it has a clock two hours behind another's.
func TestConverges(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			size := []int{2, 3, 8}[seed%3]
			g := newGroup(t, seed, size)
			for range 200 {
				g.now = g.now.Add(time.Duration(g.r.IntN(2000)) * time.Millisecond)
				i := g.r.IntN(size)
				switch g.r.IntN(10) {
				case 0, 1:
					h := g.say(i, key(g.r.IntN(12)), g.any())
					for j := range size {
						if j != i {
							g.send(i, j, share.Message{Header: share.Header{Kind: share.KindSay}, Entries: []share.Held{h}})
						}
					}
				case 2:
					g.send(i, g.r.IntN(size), g.members[i].State())
				case 3:
					g.members[i].Describe(share.Document{Version: fmt.Sprint(g.r.IntN(3))}, false, g.clock(i))
				case 4:
					if g.r.IntN(4) == 0 {
						for j := range size {
							g.sides[j] = g.r.IntN(2)
						}
					} else {
						clear(g.sides)
					}
				case 5: // a machine that is started anew, with its entries and another clock
					if g.r.IntN(3) == 0 {
						was := g.members[i].State()
						g.skews[i] = time.Duration(g.r.IntN(7200)-3600) * time.Second
						g.members[i] = share.New(g.names[i])
						was.Documents = nil
						g.take(i, was.Encode(g.clock(i)))
					}
				default:
					g.arrive()
				}
			}
			g.heal()
			for i, m := range g.members { // as each does every minute
				m.Describe(share.Document{Version: "last"}, true, g.clock(i))
			}
			g.heal()
			g.alike()
			behind := 0
			for i := range g.skews {
				if g.skews[i] < g.skews[behind] {
					behind = i
				}
			}
			for k := range 12 {
				g.say(behind, key(k), director.Override{Mode: director.OverrideWeight, Weight: 1000 + k})
			}
			g.heal()
			g.alike()
			for i, m := range g.members {
				for k := range 12 {
					if h, _ := m.Entry(key(k)); h.Override.Weight != 1000+k {
						t.Errorf("on %s, whose clock is off by %v, what was said last of %v on one that is off by %v does not hold: %+v", g.names[i], g.skews[i], key(k), g.skews[behind], h)
					}
				}
			}
		})
	}
}

// TestClockAhead: what was said with a clock an hour ahead is lifted by somebody whose
// clock is right, at once. One that is more than a day ahead is not followed, and when that
// clock is set, what was said with it is said anew.
func TestClockAhead(t *testing.T) {
	g := newGroup(t, 1, 2)
	g.skews[0], g.skews[1] = time.Hour, 0
	g.say(0, key(1), director.Override{Mode: director.OverrideDrain})
	g.heal()
	g.say(1, key(1), director.Override{})
	g.heal()
	if h, _ := g.members[0].Entry(key(1)); h.Override.Mode != director.OverrideNone {
		t.Errorf("the drain of a clock an hour ahead is frozen: %+v", h)
	}

	g = newGroup(t, 1, 2)
	g.skews[0], g.skews[1] = 25*time.Hour, 0
	g.say(0, key(1), director.Override{Mode: director.OverrideDrain})
	g.say(0, key(2), director.Override{Mode: director.OverrideDrain})
	m, _, err := share.Decode(g.members[0].State().Encode(g.clock(0)), g.clock(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, refused := g.members[1].Take(m, g.clock(1)); refused[share.Future] != 2 || g.members[1].Len() != 0 {
		t.Errorf("refused %v, %d are taken", refused, g.members[1].Len())
	}
	g.say(1, key(2), director.Override{Mode: director.OverrideWeight, Weight: 7})
	g.skews[0] = 0
	if !g.members[0].Prune(g.clock(0)) {
		t.Error("nothing is written anew though the clock was set")
	}
	g.now = g.now.Add(time.Second)
	g.heal()
	g.alike()
	if h, _ := g.members[1].Entry(key(1)); h.Override.Mode != director.OverrideDrain {
		t.Errorf("what was said with the clock that was wrong is lost: %+v", h)
	}
}

// TestEnds: an override for two hours ends after two hours on all, though their clocks are
// far apart, also on one that hears of it through another an hour later.
func TestEnds(t *testing.T) {
	g := newGroup(t, 1, 3)
	g.skews = []time.Duration{time.Hour, -time.Hour, 0}
	since := g.clock(0)
	if _, err := g.members[0].Say(key(1), director.Override{Mode: director.OverrideDrain, Since: since, Until: since.Add(2 * time.Hour)}, since); err != nil {
		t.Fatal(err)
	}
	g.take(1, g.members[0].State().Encode(g.clock(0)))
	g.now = g.now.Add(time.Hour)
	g.take(2, g.members[1].State().Encode(g.clock(1)))
	for _, step := range []struct {
		after time.Duration
		mode  director.OverrideMode
	}{{59 * time.Minute, director.OverrideDrain}, {2 * time.Minute, director.OverrideNone}} {
		g.now = g.now.Add(step.after)
		for i, m := range g.members {
			h, _ := m.Entry(key(1))
			o := h.Local(g.clock(i))
			if o.Mode != step.mode {
				t.Errorf("%s: %q at %v, want %q", g.names[i], o.Mode, g.now, step.mode)
			}
			if step.mode != "" && o.Until.Sub(g.clock(i)) != time.Minute {
				t.Errorf("%s: it ends in %v, not in a minute", g.names[i], o.Until.Sub(g.clock(i)))
			}
		}
	}
}
