package daemon

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/share"
	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/healthcheck"
	"usher/vrrp"
)

type (
	readPeers struct {
		Peers
		view *peers.View
	}
	seenChecks struct {
		Checks
		list []healthcheck.Status
	}
)

func (p readPeers) View() peers.View                { return *p.view }
func (c seenChecks) Statuses() []healthcheck.Status { return c.list }

const groupText = `
global { router_id = "lb1" }
peers {
  name   = "%s"
  listen = "127.0.0.1:7946"
  key    = "0123456789abcdef"
}
vrrp_instance "edge" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.200/32"]
}
virtual_server "web" {
  address = "192.0.2.200:80"
  health_check "tcp" {}
  real_server "10.0.0.1:80" { weight = %d }
  real_server "10.0.0.2:80" {}
  sorry_server "10.0.0.9:80" {
    health_check "tcp" {}
  }
}
`

func configOf(t *testing.T, text string) *conf.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "usher.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	if diags.HasErrors() {
		t.Fatal(diags.Text(false))
	}
	return c
}

// one is a director with a configuration, an instance in a state, and servers that are down.
func one(t *testing.T, name string, weight int, state vrrp.State, down ...string) *reporter {
	t.Helper()
	r := newReporter()
	c := configOf(t, fmt.Sprintf(groupText, name, weight))
	r.current.config, r.current.serving = c, c
	r.current.vrrp = readVRRP{list: []vrrp.Status{{Name: "edge", State: state, VRID: 51, EffectivePriority: 100, Held: true}}}
	var list []healthcheck.Status
	for _, a := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80"} {
		s := healthcheck.Status{ID: healthcheck.ID{VirtualServer: "web", RealServer: netip.MustParseAddrPort(a)}, Verdict: healthcheck.Verdict{State: healthcheck.Up}}
		if slices.Contains(down, a) {
			s.Verdict = healthcheck.Verdict{State: healthcheck.Down, Reason: "tcp: connection refused"}
		}
		list = append(list, s)
	}
	r.current.checks = seenChecks{list: list}
	return r
}

// sees has a director know others, by what these say of themselves.
func (r *reporter) sees(others ...*reporter) *peers.View {
	now := r.current.now()
	v := &peers.View{On: true, Name: now.config.Peers.Name, Listen: now.config.Peers.Listen, Self: r.describe(now)}
	for i, o := range others {
		d := o.describe(o.current.now())
		v.Members = append(v.Members, peers.Member{Name: d.Name, Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 2)}), 7946), Up: true, Heard: time.Now(), Document: &d})
	}
	r.current.peers = readPeers{view: v}
	return v
}

// passes compares each second for so long.
func (r *reporter) passes(from time.Time, seconds int) time.Time {
	for range seconds {
		from = from.Add(time.Second)
		r.compare(from)
	}
	return from
}

// told are the warnings about the group.
func (r *reporter) toldOfPeers() (all []string) {
	for _, w := range r.Status().Warnings {
		if strings.HasPrefix(w.Kind, "peer") || strings.HasSuffix(w.Kind, "_differs") {
			all = append(all, w.Severity+" "+w.Kind+" "+w.Subject+": "+w.Text)
		}
	}
	return all
}

func tells(t *testing.T, what string, r *reporter, want ...string) {
	t.Helper()
	got := r.toldOfPeers()
	same := len(got) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = strings.HasPrefix(got[i], want[i])
	}
	if !same {
		t.Errorf("%s: told\n%s\nexpected\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWhatDiffersIsTold: a weight in one of two files, by name and on both; a server that is
// down for one; an instance that is active twice; each once it has lasted, and not when it
// is over.
func TestWhatDiffersIsTold(t *testing.T) {
	start := time.Now()
	a := one(t, "lb1", 1, vrrp.Active)
	b := one(t, "lb2", 2, vrrp.Backup)
	a.sees(b)
	b.sees(a)
	at := a.passes(start, 9)
	tells(t, "at once", a)
	if d := a.Status().Directors; len(d.Directors) != 2 || !slices.Equal(d.Directors[1].Differs, []string{"virtual_server web"}) || len(d.Differences) != 0 {
		t.Errorf("shown at once: %+v", d)
	}
	at = a.passes(at, 3)
	b.passes(start, 12)
	tells(t, "on one", a, "warning config_differs web: virtual_server web differs on lb2: ")
	tells(t, "on the other", b, "warning config_differs web: virtual_server web differs on lb1: ")
	if d := a.Status().Directors.Differences; len(d) != 1 || d[0].Kind != "config" || !slices.Equal(d[0].Directors, []string{"lb2"}) || !slices.Equal(d[0].Parts, []string{"virtual_server web"}) {
		t.Errorf("the document has %+v", d)
	}
	a.sees(one(t, "lb2", 1, vrrp.Backup))
	at = a.passes(at, 8)
	tells(t, "over", a)

	a = one(t, "lb1", 1, vrrp.Active, "10.0.0.2:80", "10.0.0.9:80")
	a.sees(one(t, "lb2", 1, vrrp.Active, "10.0.0.9:80"))
	at = a.passes(at, 12) // with checks of 2 s and a timeout of 1 s two directors may differ for 13 s
	if got := fmt.Sprint(a.toldOfPeers()); strings.Contains(got, "health_differs") {
		t.Errorf("told before the checks can agree: %s", got)
	}
	a.passes(at, 2)
	s := a.Status()
	if len(s.Directors.BothActive) != 1 || s.Directors.BothActive[0].Instance != "edge" || s.Verdict.Level != api.LevelError {
		t.Errorf("active twice: %+v, %+v", s.Directors.BothActive, s.Verdict)
	}
	tells(t, "both", a, "error peer_active edge: lb1 and lb2 are active at the same time", "warning health_differs web 10.0.0.2:80: down only here (tcp: connection refused): lb2 has it up")
	if d := s.Directors.Directors; d[0].RealServers != 2 || d[0].RealServersUp != 1 || d[1].RealServersUp != 2 || len(d[0].Down) != 2 || len(d[1].Down) != 1 || d[0].Down[0].RealServer != "10.0.0.2:80" || d[1].Instances[0].State != "active" {
		t.Errorf("%+v", d)
	}
}

// TestPeersThatAreGone: absent for long enough, never there, refused; what the absent one
// said last is shown with its age and compared no more.
func TestPeersThatAreGone(t *testing.T) {
	a := one(t, "lb1", 1, vrrp.Active)
	v := a.sees(one(t, "lb2", 2, vrrp.Active))
	m := &v.Members[0]
	m.Up, m.Why, m.Heard = false, "does not answer", time.Now().Add(-5*time.Minute)
	v.Members = append(v.Members, peers.Member{Address: netip.MustParseAddrPort("192.0.2.9:7946"), Why: "never heard"})
	at := a.passes(time.Now(), 9)
	tells(t, "at once", a)
	a.passes(at, 3)
	v.LastRefused = &peers.Refused{Reason: "key", From: netip.MustParseAddrPort("192.0.2.7:7946"), At: time.Now()}
	v.Error, v.Refused = "", map[string]uint64{"key": 3}
	want := []string{
		"warning peer_absent 192.0.2.9:7946: nobody has answered at this address of peers.join so far",
		"warning peer_absent lb2: not heard since ",
		"warning peer_refused 192.0.2.7: what it sends to this director is thrown away: it is not encrypted with a key of this director",
	}
	got := a.toldOfPeers()
	slices.Sort(got)
	for i := range want {
		if len(got) != len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("told %q, expected %q", got, want)
		}
	}
	d := a.Status().Directors
	if gone := d.Directors[1]; gone.Up || gone.AgeSeconds == nil || *gone.AgeSeconds < 290 || len(gone.Differs) != 0 || len(d.BothActive) != 0 || gone.Instances[0].State != "active" {
		t.Errorf("the absent one: %+v, %+v", gone, d.BothActive)
	}
	for _, reason := range peers.Refusals() {
		v.LastRefused.Reason = reason
		if got := fmt.Sprint(a.toldOfPeers()); (reason == "busy" || reason == "flood") && strings.Contains(got, "version") {
			t.Errorf("what is only too much is called another version: %s", got)
		}
	}
	v.LastRefused.At = time.Now().Add(-2 * time.Minute)
	v.Members = nil
	a.passes(at, 20)
	tells(t, "over", a)
	v.Error = "listen udp 127.0.0.1:7946: bind: address already in use"
	tells(t, "deaf", a, "warning peers 127.0.0.1:7946: this director does not speak with the others: listen udp")
	*v = peers.View{}
	if a.passes(at, 1); a.Status().Directors != nil || len(a.toldOfPeers()) != 0 {
		t.Error("something is shown without a block peers")
	}
}

// TestDescription: what a director says of itself stays small with ten thousand servers of
// which all are down, and has no secret of the configuration in it.
func TestDescription(t *testing.T) {
	var text strings.Builder
	fmt.Fprintf(&text, groupText, "lb1", 1)
	for v := range 1000 {
		fmt.Fprintf(&text, "virtual_server \"pool%d\" {\naddress = \"192.0.%d.%d:80\"\nhealth_check \"http\" {\nheaders = { X-Auth = \"opal-secret-token\" }\n}\n", v, 3+v/250, v%250)
		for r := range 10 {
			fmt.Fprintf(&text, "real_server \"10.%d.%d.%d:80\" {}\n", v/250, v%250, r+1)
		}
		text.WriteString("}\n")
	}
	r := newReporter()
	c := configOf(t, text.String())
	r.secrets.Know(c.Secrets())
	r.current.config, r.current.serving = c, c
	var list []healthcheck.Status
	for _, target := range c.Targets() {
		list = append(list, healthcheck.Status{ID: target.ID, Verdict: healthcheck.Verdict{Reason: "http: answer says opal-secret-token is wrong"}})
	}
	r.current.checks = seenChecks{list: list}
	d := r.describe(r.current.now())
	if d.Servers != 10_002 || d.ServersUp != 0 || len(d.Parts) != 1000 {
		t.Errorf("%d servers, %d up, %d parts", d.Servers, d.ServersUp, len(d.Parts))
	}
	v := &peers.View{On: true, Name: "lb1", Self: d.Bounded()}
	r.current.peers = readPeers{view: v}
	if shown := r.directors(r.current.now()).Directors[0]; len(shown.Down) != shownDown || shown.DownMore+shownDown != len(list) {
		t.Errorf("%d of %d servers are shown, and %d more", len(shown.Down), len(list), shown.DownMore)
	}
	written, err := json.Marshal(d.Bounded())
	if err != nil || len(written) > share.MaxDocument || strings.Contains(string(written), "opal") {
		t.Errorf("%v, %d bytes: %.200s", err, len(written), written)
	}
}

// BenchmarkDescription is what a director with 10,000 servers does every two seconds.
func BenchmarkDescription(b *testing.B) {
	c := &conf.Config{Peers: &conf.Peers{Name: "lb1"}}
	var list []healthcheck.Status
	for i := range 10_000 {
		list = append(list, healthcheck.Status{ID: healthcheck.ID{VirtualServer: "web", RealServer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)}, Verdict: healthcheck.Verdict{State: healthcheck.Up}})
	}
	r := newReporter()
	r.current.config, r.current.serving, r.current.checks = c, c, seenChecks{list: list}
	for b.Loop() {
		r.describe(r.current.now())
	}
}

// TestPoolsThatPickOtherServers: of what is announced the fingerprints are compared, and of
// nothing else.
func TestPoolsThatPickOtherServers(t *testing.T) {
	with := func(name string, fingerprint uint64, announced bool) *reporter {
		r := one(t, name, 1, vrrp.Backup)
		r.current.director = conditionDirector{pools: []director.VirtualServerStatus{{Name: "web", Up: true, Fingerprint: fingerprint}}}
		if announced {
			c := *r.current.config
			c.Announce = []announce.Announcement{{Name: "shop", Pools: []string{"web"}}}
			r.current.config = &c
		}
		return r
	}
	a := with("lb1", 0xa, true)
	a.sees(with("lb2", 0xa, true))
	a.passes(time.Now(), 20)
	tells(t, "the same", a)
	a.sees(with("lb2", 0xb, true))
	a.passes(time.Now(), 20)
	tells(t, "another", a, "warning pool_differs web: the pool of web, which is announced, picks other servers on lb2, ")
	if d := a.Status().Directors.Differences; len(d) != 1 || d[0].Kind != "pool" {
		t.Errorf("the document has %+v", d)
	}
	a = with("lb1", 0xa, false)
	a.sees(with("lb2", 0xb, false))
	a.passes(time.Now(), 20)
	tells(t, "not announced", a)
}
