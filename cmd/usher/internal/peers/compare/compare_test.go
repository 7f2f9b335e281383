package compare

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/peers/share"
)

const key = "k1"

// parts are those of every director that is as it should be.
func parts() map[string]string {
	return map[string]string{"global": "g", "vrrp_instance edge": "e", "virtual_server web": "w", "virtual_server mail": "m"}
}

func document(parts map[string]string, down ...share.Health) share.Document {
	return share.Document{Form: "f", PartsKey: key, Parts: parts, Down: down}
}

func health(virtualServer, address, state string) share.Health {
	return share.Health{VirtualServer: virtualServer, RealServer: netip.MustParseAddrPort(address), State: state, Reason: "connection refused"}
}

func self(down ...share.Health) Self {
	d := document(parts(), down...)
	return Self{Name: "lb1", Document: d, Parts: map[string]map[string]string{key: d.Parts}}
}

func peer(name string, d share.Document) Peer {
	d.Name = name
	return Peer{Name: name, Up: true, Document: &d}
}

// texts are the warnings of a moment, as if it had lasted.
func texts(s Self, peers ...Peer) (all []string) {
	found, comparable := Look(s, peers)
	var lasting []Lasting
	for _, f := range found {
		lasting = append(lasting, Lasting{Finding: f})
	}
	for _, w := range Warnings(s, lasting, comparable, func(Finding) string { return "connection refused" }) {
		all = append(all, strings.TrimPrefix(w.Subject+": "+w.Text, ": "))
	}
	return all
}

// begins complains of texts that do not begin as expected.
func begins(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %q, expected %q", what, got, want)
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s: %q, expected %q...", what, got[i], want[i])
		}
	}
}

func TestConfigurations(t *testing.T) {
	other := parts()
	other["virtual_server web"] = "w2"
	begins(t, "one differs", texts(self(), peer("lb2", document(other)), peer("lb3", document(parts()))), "web: virtual_server web differs on lb2: ")
	begins(t, "on two", texts(self(), peer("lb2", document(other)), peer("lb3", document(other))), "web: virtual_server web differs on lb2 and lb3: ")
	less, more := parts(), parts()
	delete(less, "virtual_server mail")
	more["vrrp_instance inner"] = "i"
	begins(t, "missing there", texts(self(), peer("lb2", document(less))), "mail: virtual_server mail is here and not on lb2: ")
	begins(t, "missing here", texts(self(), peer("lb2", document(more))), "inner: vrrp_instance inner is on lb2 and not here: ")
	begins(t, "all of it", texts(self(), peer("lb2", document(map[string]string{"global": "h", "vrrp_instance edge": "f", "virtual_server web": "x", "virtual_server mail": "n"}))),
		"4 parts of the configuration (global, virtual_server mail, virtual_server web and 1 more) differ on lb2: ")

	for what, change := range map[string]func(*Peer){
		"another version":      func(p *Peer) { p.Document.Form = "f2" },
		"a key not known here": func(p *Peer) { p.Document.PartsKey = "k9" },
		"no document yet":      func(p *Peer) { p.Document = nil },
		"an old one":           func(p *Peer) { p.Up = false },
	} {
		p := peer("lb2", document(other, health("web", "10.0.0.1:80", "down")))
		change(&p)
		begins(t, what, texts(self(), p))
	}

	// While the key is changed, digests are those of the key that the other has.
	s := self()
	s.Parts["k0"] = map[string]string{"global": "old g", "vrrp_instance edge": "old e", "virtual_server web": "old w", "virtual_server mail": "old m"}
	before := document(maps.Clone(s.Parts["k0"]))
	before.PartsKey = "k0"
	begins(t, "the key before", texts(s, peer("lb2", before)))
}

func TestHealth(t *testing.T) {
	a, b, mail := health("web", "10.0.0.1:80", "down"), health("web", "10.0.0.2:80", "down"), health("mail", "10.0.0.3:25", "down")
	well := document(parts())
	begins(t, "here", texts(self(a), peer("lb2", well)), "web 10.0.0.1:80: down only here (connection refused): lb2 has it up; ")
	begins(t, "here, of three", texts(self(a), peer("lb2", well), peer("lb3", well)), "web 10.0.0.1:80: down only here (connection refused): lb2 and lb3 have it up; ")
	begins(t, "not here alone", texts(self(a), peer("lb2", well), peer("lb3", document(parts(), a))), "web 10.0.0.1:80: down here (connection refused), and up on lb2; ")
	begins(t, "there", texts(self(), peer("lb2", document(parts(), a)), peer("lb3", well)), "web 10.0.0.1:80: down only on lb2 (connection refused): this director has it up; ")
	begins(t, "two there", texts(self(), peer("lb2", document(parts(), a)), peer("lb3", document(parts(), a))), "web 10.0.0.1:80: down on lb2 and lb3 (connection refused), and up here; ")
	begins(t, "a pool", texts(self(a, b), peer("lb2", well)), "web: 2 real servers (web 10.0.0.1:80, web 10.0.0.2:80) are down only here")
	begins(t, "several", texts(self(a, b, mail), peer("lb2", well)), "3 real servers (mail 10.0.0.3:25, web 10.0.0.1:80, web 10.0.0.2:80) are down only here")
	begins(t, "everywhere", texts(self(a), peer("lb2", document(parts(), a))))
	begins(t, "not probed there yet", texts(self(a), peer("lb2", document(parts(), health("web", "10.0.0.1:80", "initial")))))

	other := parts()
	other["virtual_server web"] = "w2"
	begins(t, "another pool there", texts(self(a), peer("lb2", document(other))), "web: virtual_server web differs")
	s, found := self(a), parts()
	s.Parts[key][SetOf("web")] = "1"
	found[SetOf("web")] = "2"
	begins(t, "other servers discovered there", texts(s, peer("lb2", document(found))))
	found[SetOf("web")] = "1"
	begins(t, "the same ones", texts(s, peer("lb2", document(found))), "web 10.0.0.1:80: down only here")
	cut := well
	cut.DownCut = 1
	begins(t, "more than are told", texts(self(a), peer("lb2", cut)))
}

// TestPools: pools of the same file that pick other servers are told of, unless it is told
// already what they differ in; who does not announce a pool has none to compare.
func TestPools(t *testing.T) {
	with := func(d share.Document, print string) share.Document {
		d.Pools = map[string]string{"web": print}
		return d
	}
	s := self()
	s.Document = with(s.Document, "a1")
	begins(t, "the same", texts(s, peer("lb2", with(document(parts()), "a1"))))
	begins(t, "another", texts(s, peer("lb2", with(document(parts()), "b2")), peer("lb3", with(document(parts()), "a1"))), "web: the pool of web, which is announced, picks other servers on lb2, ")
	begins(t, "not announced there", texts(s, peer("lb2", document(parts()))))
	other := parts()
	other["virtual_server web"] = "w2"
	begins(t, "another file", texts(s, peer("lb2", with(document(other), "b2"))), "web: virtual_server web differs on lb2: ")
	begins(t, "a server is down there", texts(s, peer("lb2", with(document(parts(), health("web", "10.0.0.1:80", "down")), "b2"))), "web 10.0.0.1:80: down only on lb2 ")
}

func TestActiveTwice(t *testing.T) {
	role := func(state string, id int) share.Document {
		d := document(parts())
		d.Roles = []share.Role{{Instance: "edge", State: state, VirtualRouterID: id}}
		return d
	}
	s := self()
	s.Document = role("active", 51)
	begins(t, "two", texts(s, peer("lb2", role("active", 51))), "edge: lb1 and lb2 are active at the same time")
	begins(t, "one", texts(s, peer("lb2", role("backup", 51))))
	begins(t, "another virtual router of the name", texts(s, peer("lb2", role("active", 52))))
	s.Document = role("backup", 51)
	begins(t, "two others", texts(s, peer("lb3", role("active", 51)), peer("lb2", role("active", 51))), "edge: lb2 and lb3 are active at the same time")
	gone := peer("lb2", role("active", 51))
	gone.Up = false
	begins(t, "what was", texts(s, gone, peer("lb3", role("active", 51))))
}

// TestWatch: what lasts is told of after its time, and once it is over no more; a blink is
// never, and what comes and goes all the time is told of steadily.
func TestWatch(t *testing.T) {
	f := []Finding{{Kind: Config, Name: "virtual_server web", Peer: "lb2"}}
	start := time.Unix(1000, 0)
	run := func(patience func(string) time.Duration, seconds int, differs func(second int) bool) string {
		var w Watch
		s := self()
		s.Patience = patience
		var told strings.Builder
		last := false
		for i := range seconds {
			var found []Finding
			if differs(i) {
				found = f
			}
			lasting := w.Step(start.Add(time.Duration(i)*time.Second), s, found)
			if now := len(lasting) > 0; now != last {
				last = now
				fmt.Fprintf(&told, "%d ", i)
				if now && lasting[0].Since != start {
					fmt.Fprintf(&told, "since %v ", lasting[0].Since)
				}
			}
		}
		if len(w.seen) > 1 {
			t.Errorf("%d remembered", len(w.seen))
		}
		return strings.TrimSpace(told.String())
	}
	minute := func(string) time.Duration { return time.Minute }
	for what, c := range map[string]struct {
		patience func(string) time.Duration
		differs  func(int) bool
		want     string
	}{
		"lasts":              {nil, func(i int) bool { return i < 30 }, "10 35"},
		"a blink":            {nil, func(i int) bool { return i == 0 }, ""},
		"two blinks":         {nil, func(i int) bool { return i == 0 || i == 30 }, ""},
		"a reload each":      {nil, func(i int) bool { return i < 9 }, ""},
		"flaps":              {nil, func(i int) bool { return i < 60 && i%4 < 2 }, "12 63"},
		"patience of checks": {minute, func(i int) bool { return i < 30 }, "10 35"},
	} {
		if got := run(c.patience, 100, c.differs); got != c.want {
			t.Errorf("%s: told at %q, expected %q", what, got, c.want)
		}
	}
	// A machine that stood still has seen nothing meanwhile.
	var w Watch
	w.Step(start, self(), f)
	if lasting := w.Step(start.Add(time.Minute), self(), f); len(lasting) > 0 {
		t.Errorf("after a minute without a look told %v", lasting)
	}
	f[0] = Finding{Kind: Health, Name: "web", Server: netip.MustParseAddrPort("10.0.0.1:80"), Peer: "lb2"}
	if got := run(minute, 100, func(i int) bool { return i < 70 }); got != "60 75" {
		t.Errorf("with slow checks told at %q", got)
	}
}

// TestFold: of many virtual servers all count, and the document stays small.
func TestFold(t *testing.T) {
	many := func(change int) map[string]string {
		all := parts()
		for i := range 5000 {
			all[fmt.Sprintf("virtual_server pool%04d", i)] = "d"
		}
		if change >= 0 {
			all[fmt.Sprintf("virtual_server pool%04d", change)] = "e"
		}
		return all
	}
	fold := func(change int) Self {
		d := document(Fold(many(change)))
		return Self{Name: "lb1", Document: d, Parts: map[string]map[string]string{key: d.Parts}}
	}
	s := fold(-1)
	if len(s.Document.Parts) != MaxParts || s.Document.Parts["global"] != "g" || s.Document.Parts["vrrp_instance edge"] != "e" {
		t.Errorf("%d parts", len(s.Document.Parts))
	}
	begins(t, "the same", texts(s, peer("lb2", fold(-1).Document)))
	begins(t, "one that is named", texts(s, peer("lb2", fold(17).Document)), "pool0017: virtual_server pool0017 differs on lb2")
	begins(t, "one that is not", texts(s, peer("lb2", fold(4999).Document)), "(further ones): virtual_server (further ones) differs on lb2")
	long := map[string]string{"global": "g"}
	for i := range 900 {
		long[fmt.Sprintf("virtual_server %s%04d", strings.Repeat("x", 90), i)] = "d"
	}
	d := document(Fold(long))
	if out := d.Bounded(); out.PartsCut > 0 || len(out.Parts) < 300 || out.Parts[Further] == "" || out.Parts["global"] == "" {
		t.Errorf("of long names %d parts, %d cut off", len(out.Parts), out.PartsCut)
	}
	if few := parts(); len(Fold(few)) != len(few) {
		t.Error("few parts were folded")
	}
}

// hostile are directors that say as much as they can, and each second something else.
func hostile(second int) (peers []Peer) {
	for p := range 8 {
		all := map[string]string{}
		for i := range share.MaxParts {
			all[fmt.Sprintf("virtual_server %d of %d", i, second)] = "d"
		}
		var down []share.Health
		for i := range share.MaxDown {
			down = append(down, share.Health{VirtualServer: "web", RealServer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(second), byte(i >> 8), byte(i)}), 80), State: "down"})
		}
		all["virtual_server web"] = "w"
		peers = append(peers, peer(fmt.Sprint("lb", p+2), document(all, down...)))
	}
	return peers
}

// TestWatchIsBounded: whatever others say, a bounded amount of it is remembered, and it is
// put into a few words.
func TestWatchIsBounded(t *testing.T) {
	var w Watch
	s, start := self(), time.Unix(1000, 0)
	for i := range 10 {
		found, comparable := Look(s, hostile(i))
		lasting := w.Step(start.Add(time.Duration(i)*time.Second), s, found)
		if n := len(w.seen); n > maxSeen {
			t.Fatalf("%d are remembered", n)
		}
		for j := range lasting {
			lasting[j].Since = start
		}
		if n := len(Warnings(s, lasting, comparable, func(Finding) string { return "" })); n > 20 {
			t.Errorf("%d warnings", n)
		}
	}
	var all []Lasting
	found, comparable := Look(s, hostile(0))
	for _, f := range found {
		all = append(all, Lasting{Finding: f})
	}
	for _, w := range Warnings(s, all, comparable, func(Finding) string { return "" }) {
		if len(w.Text) > 1000 {
			t.Errorf("a text of %d bytes: %s", len(w.Text), w.Text)
		}
	}
	if len(found) < 1000 {
		t.Errorf("%d found", len(found))
	}
}

// BenchmarkHostile is a second of the watch with eight such directors.
func BenchmarkHostile(b *testing.B) {
	var w Watch
	s, start := self(), time.Unix(1000, 0)
	seconds := [][]Peer{hostile(0), hostile(1)}
	n := 0
	for b.Loop() {
		n++
		found, comparable := Look(s, seconds[n%2])
		Warnings(s, w.Step(start.Add(time.Duration(n)*time.Second), s, found), comparable, func(Finding) string { return "" })
	}
}
