package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// start is the beginning of virtual time: the engine is given every instant, so a
// test needs no clock.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is one engine with ports that write down what it does.
type bench struct {
	t    *testing.T
	e    *Engine
	now  time.Time
	said []string // what the engine did, in order
	held map[string]bool
	sent []Outgoing
	bad  error // what Send answers
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, now: start, held: map[string]bool{}}
	b.e = New(Options{Ports: b})
	b.link("eth0", true, "192.0.2.5", "fe80::5")
	b.link("eth1", true, "198.51.100.5")
	return b
}

func (b *bench) Send(instance string, out Outgoing) error {
	if b.bad != nil {
		return b.bad
	}
	out.Payload = slices.Clone(out.Payload)
	b.sent = append(b.sent, out)
	b.said = append(b.said, fmt.Sprintf("%s sends priority %d to %v", instance, out.Payload[2], out.Destination))
	return nil
}

func (b *bench) Hold(instance string, active bool) {
	b.held[instance] = active
	b.said = append(b.said, fmt.Sprintf("%s holds %v", instance, active))
}

func (b *bench) Announce(instance string) { b.said = append(b.said, instance+" announces") }

func (b *bench) AnnounceSource(s OwnSource) {
	b.said = append(b.said, fmt.Sprintf("%v is at %v on %s", s.Address, s.MAC, s.Interface))
}

func (b *bench) Event(e vrrp.Event) {
	b.said = append(b.said, fmt.Sprintf("%s: %s", e.Kind, e.Message()))
}

func (b *bench) link(name string, up bool, addresses ...string) {
	l := Link{Name: name, Index: int(name[3]-'0') + 2, Up: up}
	for _, a := range addresses {
		l.Addresses = append(l.Addresses, netip.MustParseAddr(a))
	}
	b.e.Link(b.now, l)
}

// run lets time pass to an instant after start, firing every timer on its way.
func (b *bench) run(until time.Duration) {
	end := start.Add(until)
	for {
		at, ok := b.e.Deadline()
		if !ok || at.After(end) {
			break
		}
		if at.After(b.now) {
			b.now = at
		}
		b.e.Expire(b.now)
	}
	b.now = end
}

// hear gives the engine an advert of a router on eth0.
func (b *bench) hear(from string, a packet.Advert, change ...func(*Incoming)) {
	msg := Incoming{Index: 2, Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr("224.0.0.18"), TTL: 255}
	if msg.Source.Is6() {
		msg.Destination = netip.MustParseAddr("ff02::12")
	}
	for _, f := range change {
		f(&msg)
	}
	msg.Payload = packet.Append(nil, a, msg.Source, msg.Destination, packet.FormPseudoHeader)
	b.e.Receive(b.now, msg)
}

// wants asserts that what was said since the last time contains all of these, in order.
func (b *bench) wants(lines ...string) {
	b.t.Helper()
	rest := b.said
	for _, want := range lines {
		i := slices.IndexFunc(rest, func(s string) bool { return strings.Contains(s, want) })
		if i < 0 {
			b.t.Fatalf("%v: no %q in:\n%s", b.now.Sub(start), want, strings.Join(b.said, "\n"))
		}
		rest = rest[i+1:]
	}
	b.said = nil
}

func (b *bench) never(word string) {
	b.t.Helper()
	for _, s := range b.said {
		if strings.Contains(s, word) {
			b.t.Fatalf("%v: %q in:\n%s", b.now.Sub(start), word, strings.Join(b.said, "\n"))
		}
	}
	b.said = nil
}

func (b *bench) status(name string) vrrp.Status {
	b.t.Helper()
	for _, s := range b.e.Status(b.now) {
		if s.Name == name {
			return s
		}
	}
	b.t.Fatalf("no instance %s", name)
	return vrrp.Status{}
}

func (b *bench) is(name string, want vrrp.State) {
	b.t.Helper()
	if s := b.status(name); s.State != want {
		b.t.Fatalf("%v: %s is %v (%s), want %v", b.now.Sub(start), name, s.State, s.Reason, want)
	}
	if b.held[name] != (want == vrrp.Active) {
		b.t.Fatalf("%v: %s is %v and its addresses are held: %v", b.now.Sub(start), name, want, b.held[name])
	}
}

func instanceConfig(name string, vrid uint8, addresses ...string) vrrp.Config {
	c := vrrp.Config{
		Name: name, Interface: "eth0", VRID: vrid, Priority: 100, Version: 3, Interval: time.Second, DownAdverts: 3,
		Preempt: true, Accept: true, Announce: vrrp.Announce{Repeat: 1},
	}
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.MustParsePrefix(a)})
	}
	return c
}

func web() vrrp.Config { return instanceConfig("web", 51, "192.0.2.10/24") }

func desired(all ...vrrp.Config) vrrp.Desired { return vrrp.Desired{Instances: all} }

// advertOf is what a peer of an instance sends.
func advertOf(c vrrp.Config, v6 bool, priority uint8) packet.Advert {
	return packet.Advert{
		Version: c.Version, VRID: c.VRID, Priority: priority, Interval: c.Interval, Addresses: c.Advertised(v6),
		Text: c.Password != "", Password: packet.Password(c.Password),
	}
}
