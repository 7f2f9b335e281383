package bfd

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pair is two sessions and a wire between them that takes a millisecond, in
// virtual time.
type pair struct {
	t      *testing.T
	now    time.Time
	side   [2]Session
	wires  []flight
	broken [2]bool // what the side sends is lost
	sent   [2]int
	random *rand.Rand
}

type flight struct {
	at time.Time
	to int
	p  Packet
}

func newPair(t *testing.T, a, b Config) *pair {
	now := time.Unix(0, 0)
	return &pair{t: t, now: now, side: [2]Session{NewSession(now, a, 1), NewSession(now, b, 2)}, random: rand.New(rand.NewPCG(1, 2))}
}

func (p *pair) send(from int, packet Packet) {
	p.sent[from]++
	p.side[from] = p.side[from].Sent()
	parsed, err := Parse(packet.Append(nil))
	if err != nil {
		p.t.Fatalf("side %d sends what cannot be parsed: %v", from, err)
	}
	if !p.broken[from] {
		p.wires = append(p.wires, flight{p.now.Add(time.Millisecond), 1 - from, parsed})
	}
}

// run lets time pass, a millisecond at a time.
func (p *pair) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(time.Millisecond) {
		for len(p.wires) > 0 && !p.wires[0].at.After(p.now) {
			f := p.wires[0]
			p.wires = p.wires[1:]
			var final bool
			if p.side[f.to], final = p.side[f.to].Receive(p.now, f.p); final {
				answer := p.side[f.to].Packet()
				answer.Poll, answer.Final = false, true
				p.send(f.to, answer)
			}
		}
		for i := range p.side {
			var send bool
			if p.side[i], send = p.side[i].Expire(p.now, p.random.Float64()); send {
				p.send(i, p.side[i].Packet())
			}
		}
	}
}

func (p *pair) want(a, b State) {
	p.t.Helper()
	if p.side[0].State != a || p.side[1].State != b {
		p.t.Fatalf("after %s: %s and %s, want %s and %s", p.now.Sub(time.Unix(0, 0)), p.side[0].State, p.side[1].State, a, b)
	}
}

var fast = Config{MinTX: 50 * time.Millisecond, MinRX: 50 * time.Millisecond, Multiplier: 3}

// TestSessionComesUpAndFindsDeath follows RFC 5880 sections 6.2 and 6.8.4: the
// three-way handshake, then death within the detection time of 3 x 50 ms.
func TestSessionComesUpAndFindsDeath(t *testing.T) {
	p := newPair(t, fast, fast)
	p.run(3 * time.Second)
	p.want(Up, Up)
	before := p.sent
	p.run(time.Second)
	// Section 6.8.7: intervals are shorter by up to a quarter, never longer.
	for i, n := range p.sent {
		if got := n - before[i]; got < 20 || got > 28 {
			t.Errorf("side %d sent %d packets in a second at 50 ms", i, got)
		}
	}
	p.broken = [2]bool{true, true}
	p.run(140 * time.Millisecond)
	p.run(20 * time.Millisecond)
	p.want(Down, Down)
	if p.side[0].Diagnostic != DetectionTime {
		t.Errorf("diagnostic %s", p.side[0].Diagnostic)
	}
	// Section 6.8.3: no faster than a packet a second while down.
	before = p.sent
	p.run(10 * time.Second)
	if got := p.sent[0] - before[0]; got > 15 {
		t.Errorf("%d packets in 10 s while down", got)
	}
	p.broken = [2]bool{}
	p.run(3 * time.Second)
	p.want(Up, Up)
}

// TestOneWayLossTakesBothDown: the side that hears nothing says so to the other.
func TestOneWayLossTakesBothDown(t *testing.T) {
	p := newPair(t, fast, fast)
	p.run(3 * time.Second)
	p.broken[1] = true
	p.run(300 * time.Millisecond)
	if p.side[0].State != Down || p.side[1].State == Up {
		t.Fatalf("%s and %s, want neither up", p.side[0].State, p.side[1].State)
	}
	if p.side[1].Diagnostic != NeighbourDown || p.side[1].RemoteDiag != DetectionTime {
		t.Errorf("diagnostics %s, neighbour's %s", p.side[1].Diagnostic, p.side[1].RemoteDiag)
	}
}

// TestIntervalsAreNegotiated: section 6.8.2, a side sends no faster than the other
// can receive, and detects by the other's pace.
func TestIntervalsAreNegotiated(t *testing.T) {
	slow := Config{MinTX: 200 * time.Millisecond, MinRX: 400 * time.Millisecond, Multiplier: 5}
	p := newPair(t, fast, slow)
	p.run(5 * time.Second)
	p.want(Up, Up)
	before := p.sent
	p.run(4 * time.Second)
	if got := p.sent[0] - before[0]; got > 15 {
		t.Errorf("%d packets in 4 s to a neighbour that takes one in 400 ms", got)
	}
	if got, want := p.side[0].detection(), 5*200*time.Millisecond; got != want {
		t.Errorf("detection time %s, want %s", got, want)
	}
	if got, want := p.side[1].detection(), 3*400*time.Millisecond; got != want {
		t.Errorf("detection time %s, want %s", got, want)
	}
}

// TestNeighbourThatSpeedsUp: FRR takes a packet a second until it is up, and then
// expects one each 50 ms. A packet put off by a second took such a session down again.
func TestNeighbourThatSpeedsUp(t *testing.T) {
	now := time.Unix(0, 0)
	s := NewSession(now, fast, 1)
	heard := Packet{State: Init, Multiplier: 3, Mine: 2, Yours: 1, MinTX: time.Second, MinRX: time.Second}
	s, _ = s.Receive(now, heard)
	s, _ = s.Expire(now, 0)
	if s.State != Up || s.Next().Sub(now) < 700*time.Millisecond {
		t.Fatalf("%s, next after %s", s.State, s.Next().Sub(now))
	}
	heard.State, heard.Final, heard.MinTX, heard.MinRX = Up, true, 50*time.Millisecond, 50*time.Millisecond
	s, _ = s.Receive(now, heard)
	if got := s.Next().Sub(now); got > 50*time.Millisecond {
		t.Errorf("the next packet goes out after %s, the neighbour expects it within 50ms", got)
	}
}

func TestPassiveSideWaits(t *testing.T) {
	quiet := fast
	quiet.Passive = true
	p := newPair(t, quiet, quiet)
	p.run(5 * time.Second)
	if p.sent != [2]int{} {
		t.Errorf("two passive sides sent %v", p.sent)
	}
	p = newPair(t, quiet, fast)
	p.run(4 * time.Second)
	p.want(Up, Up)
}

func TestCloseTellsTheNeighbour(t *testing.T) {
	p := newPair(t, fast, fast)
	p.run(3 * time.Second)
	p.side[0] = p.side[0].Close()
	p.send(0, p.side[0].Packet())
	p.run(10 * time.Millisecond)
	if s := p.side[1]; s.State != Down || s.Remote != AdminDown || s.Diagnostic != NeighbourDown {
		t.Errorf("the neighbour is %s, heard %s", s.State, s.Remote)
	}
}

// TestPollSequence: the change to the fast interval is acknowledged (section 6.5).
func TestPollSequence(t *testing.T) {
	p := newPair(t, fast, fast)
	p.run(5 * time.Second)
	for i, s := range p.side {
		if s.polling || s.Packet().Poll {
			t.Errorf("side %d still polls", i)
		}
	}
}

// TestTimersChange: a session that is up changes its intervals by a poll sequence, and
// keeps the old ones for as long as the neighbour may still count on them: sending more
// slowly, and expecting packets sooner, wait for the Final bit (section 6.8.3).
func TestTimersChange(t *testing.T) {
	fifth := Config{MinTX: 200 * time.Millisecond, MinRX: 200 * time.Millisecond, Multiplier: 3}
	deaf := Config{MinTX: 50 * time.Millisecond, MinRX: 200 * time.Millisecond, Multiplier: 3}
	for name, c := range map[string]struct{ from, to, other Config }{
		"slower": {fast, fifth, fast}, "faster": {fifth, fast, fifth}, "hears faster": {deaf, fast, fast},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, c.from, c.other)
			p.run(4 * time.Second)
			p.want(Up, Up)
			p.broken[0] = true // nothing is acknowledged
			s := p.side[0].Reconfigure(p.now, c.to)
			if packet := s.Packet(); !packet.Poll || packet.MinTX != c.to.MinTX || packet.MinRX != c.to.MinRX {
				t.Errorf("the neighbour is told %+v", packet)
			}
			if got := s.interval(); got > c.from.MinTX {
				t.Errorf("sends each %s before the neighbour knows of it", got)
			}
			p.broken[0] = false
			if got, least := s.detection(), 3*max(c.from.MinRX, c.to.MinRX); got < least {
				t.Errorf("expects packets within %s before the neighbour knows of it, want %s", got, least)
			}
			p.side[0] = s
			p.run(time.Second)
			p.want(Up, Up)
			s = p.side[0]
			if s.polling || s.interval() != max(c.to.MinTX, c.other.MinRX) || s.detection() != 3*max(c.to.MinRX, c.other.MinTX) {
				t.Errorf("after the poll sequence: polling %t, sends each %s, detects in %s", s.polling, s.interval(), s.detection())
			}
		})
	}
}

// TestTimersChangeAtAnyMoment: however often and whenever both sides change their timers,
// the session stays up, and in the end what was wanted last is in use.
func TestTimersChangeAtAnyMoment(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPair(t, fast, fast)
		p.run(3 * time.Second)
		p.want(Up, Up)
		interval := rapid.SampledFrom([]time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond})
		want := [2]Config{fast, fast}
		for range rapid.IntRange(1, 12).Draw(rt, "changes") {
			i := rapid.IntRange(0, 1).Draw(rt, "side")
			want[i] = Config{MinTX: interval.Draw(rt, "tx"), MinRX: interval.Draw(rt, "rx"), Multiplier: 3}
			p.side[i] = p.side[i].Reconfigure(p.now, want[i])
			p.run(time.Duration(rapid.IntRange(0, 400).Draw(rt, "ms")) * time.Millisecond)
			p.want(Up, Up)
		}
		p.run(4 * time.Second)
		p.want(Up, Up)
		for i, s := range p.side {
			if s.config != want[i] || s.polling || s.waits || s.pollNext || s.heldTX != 0 || s.heldRX != 0 {
				t.Fatalf("side %d: %+v, want %+v at rest", i, s, want[i])
			}
		}
	})
}

// TestMachineIsSound: whatever comes, a session that is up has heard something
// within its detection time, and one that is not up never sends faster than a
// packet a second unless its state has just changed.
func TestMachineIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		s := NewSession(now, fast, 7)
		var heard time.Time
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "packet") {
				s, _ = s.Receive(now, Packet{
					State: State(rapid.IntRange(0, 3).Draw(t, "state")), Poll: rapid.Bool().Draw(t, "poll"), Final: rapid.Bool().Draw(t, "final"),
					Multiplier: 3, Mine: 9, Yours: 7, MinTX: 50 * time.Millisecond, MinRX: 50 * time.Millisecond,
				})
				heard = now
			}
			s, _ = s.Expire(now, 0.5)
			if s.State == Up && now.Sub(heard) >= 150*time.Millisecond {
				t.Fatalf("up, and nothing heard for %s", now.Sub(heard))
			}
			if next := s.Next(); !next.IsZero() && next.Before(now) {
				t.Fatalf("something was due %s ago", now.Sub(next))
			}
		}
	})
}

func TestParseRefuses(t *testing.T) {
	valid := Packet{State: Down, Multiplier: 3, Mine: 1, MinTX: time.Second, MinRX: time.Second}.Append(nil)
	if p, err := Parse(valid); err != nil || p.MinTX != time.Second {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, c := range []struct {
		name string
		want error
		mend func([]byte) []byte
	}{
		{"short", io.ErrUnexpectedEOF, func(b []byte) []byte { return b[:23] }},
		{"version 2", ErrVersion, func(b []byte) []byte { b[0] = 2 << 5; return b }},
		{"length too short", ErrLength, func(b []byte) []byte { b[3] = 23; return b }},
		{"length beyond the end", ErrLength, func(b []byte) []byte { b[3] = 25; return b }},
		{"multiplier 0", ErrMultiplier, func(b []byte) []byte { b[2] = 0; return b }},
		{"multipoint", ErrMultipoint, func(b []byte) []byte { b[1] |= bitMultipoint; return b }},
		{"authentication", ErrAuth, func(b []byte) []byte { b[1] |= bitAuth; return b }},
		{"my discriminator 0", ErrDiscriminator, func(b []byte) []byte { b[7] = 0; return b }},
		{"your discriminator 0 while up", ErrDiscriminator, func(b []byte) []byte { b[1] |= byte(Up) << 6; return b }},
	} {
		if _, err := Parse(c.mend(append([]byte(nil), valid...))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Packet{State: Up, Multiplier: 3, Mine: 1, Yours: 2, Poll: true, MinTX: time.Second}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(p.Append(nil))
		if err != nil || again != p {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}
