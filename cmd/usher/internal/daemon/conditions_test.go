package daemon

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/peers/share"
	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/director/discover"
	"usher/director/discover/engine"
	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/vrrp"
)

// condition is a state of the daemon that gives a warning of a kind.
type condition struct {
	kind  string // of the warning; "" for any
	level api.Level
	make  func(r *reporter)
}

// ago is when everything here began, but for what is over soon.
func ago() time.Time { return time.Now().Add(-30 * time.Second) }

// of has the daemon have an instance that is as f makes a well one.
func of(f func(s *vrrp.Status)) func(*reporter) {
	return func(r *reporter) {
		s := wellInstance()
		f(&s)
		r.current.vrrp = readVRRP{list: []vrrp.Status{s}}
	}
}

func wellInstance() vrrp.Status {
	return vrrp.Status{Name: "edge", State: vrrp.Active, Held: true, Interface: "eth0", Addresses: []string{"192.0.2.1/32"}, Since: ago(), ActiveRouter: netip.MustParseAddr("192.0.2.5")}
}

// by has the director give a warning, as it does of itself.
func by(kind string) func(*reporter) {
	return func(r *reporter) {
		r.current.director = conditionDirector{warnings: []director.Warning{{Kind: kind, VirtualServer: "web", Text: "of all things", Since: ago()}}}
	}
}

// after has something have happened, so many times.
func after(times int, e events.Event) func(*reporter) {
	return func(r *reporter) {
		for i := range times {
			e.Time = time.Now().Add(time.Duration(i-times) * 2 * oneDeed)
			r.ring.Add(e)
		}
	}
}

func ofInstance(kind vrrp.EventKind) events.Event {
	return events.Event{Kind: string(kind), Severity: events.Warning, Instance: "edge", Reason: "of all things"}
}

// conditions are all warnings that there are, each kind at least once, and all ways in
// which nobody holds an address. TestConditionsAreComplete finds those that lack.
var conditions = map[string]condition{
	"peers disagree": {"disagreement", api.LevelError, of(func(s *vrrp.Status) {
		s.Disagreements = []vrrp.Disagreement{{Peer: netip.MustParseAddr("192.0.2.9"), Text: "192.0.2.9 sends version 2", Since: ago()}}
	})},
	"adverts are not sent": {"unsent", api.LevelError, of(func(s *vrrp.Status) { s.Unsent = &vrrp.Unsent{Text: "message too long", Since: ago()} })},
	"adverts have no room": {"not_carried", api.LevelWarning, of(func(s *vrrp.Status) { s.NotCarried, s.MTU = 1, 68 })},
	"a virtual address elsewhere": {"elsewhere", api.LevelWarning, of(func(s *vrrp.Status) {
		s.Elsewhere = []vrrp.Elsewhere{{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Interface: "lo", On: "eth0", Since: ago()}}
	})},
	"two are active": {"split_brain", api.LevelError, of(func(s *vrrp.Status) {
		s.SplitBrain = &vrrp.SplitBrain{Address: netip.MustParseAddr("192.0.2.9"), Priority: 90, Since: ago()}
	})},
	"fault": {"instance_fault", api.LevelError, of(func(s *vrrp.Status) {
		s.State, s.Held, s.Reason, s.ActiveRouter = vrrp.Fault, false, "eth0 is down", netip.MustParseAddr("192.0.2.6")
	})},
	"fault, and nobody else": {nobodyActive, api.LevelError, of(func(s *vrrp.Status) { alone(s, vrrp.Fault) })},
	"backup of nobody":       {nobodyActive, api.LevelError, of(func(s *vrrp.Status) { alone(s, vrrp.Backup) })},
	"maintenance, and nobody else": {nobodyActive, api.LevelError, func(r *reporter) {
		of(func(s *vrrp.Status) { alone(s, vrrp.Initialize) })(r)
		r.current.maintenance, r.current.maintained = true, ago()
	}},
	"active without addresses": {"addresses", api.LevelError, of(func(s *vrrp.Status) { s.Held = false })},
	"maintenance": {"maintenance", api.LevelWarning, func(r *reporter) {
		of(func(s *vrrp.Status) {
			s.State, s.Held, s.ActiveRouter = vrrp.Initialize, false, netip.MustParseAddr("192.0.2.6")
		})(r)
		r.current.maintenance, r.current.maintained = true, ago()
	}},
	"maintenance is not written down": {"state", api.LevelWarning, func(r *reporter) { r.current.maintained, r.current.unkept = ago(), errors.New("disk full") }},
	"a group on two directors": {"group_split", api.LevelError, func(r *reporter) {
		one, two := wellInstance(), wellInstance()
		one.Group, two.Group, two.Name = "pair", "pair", "mail"
		two.State, two.Held, two.ActiveRouter = vrrp.Backup, false, netip.MustParseAddr("192.0.2.6")
		r.current.vrrp = readVRRP{list: []vrrp.Status{one, two}}
	}},
	"a peer does not sign": {"hmac_unsigned", api.LevelWarning, of(func(s *vrrp.Status) {
		s.HMAC = &vrrp.HMACStatus{Mode: vrrp.HMACPermissive}
		s.Peers = []vrrp.PeerStatus{{Address: netip.MustParseAddr("192.0.2.9"), UnsignedAt: ago()}}
	})},
	"a peer's clock is off": {"clock", api.LevelWarning, of(func(s *vrrp.Status) {
		s.HMAC = &vrrp.HMACStatus{Mode: vrrp.HMACEnforce, AntiReplay: vrrp.AntiReplayTime, Window: 10 * time.Second}
		s.Peers = []vrrp.PeerStatus{{Address: netip.MustParseAddr("192.0.2.9"), SignedAt: ago(), ClockOffset: 9 * time.Second}}
	})},
	"quorum lost": {"quorum", api.LevelError, func(r *reporter) {
		r.current.director = conditionDirector{pools: []director.VirtualServerStatus{{Name: "web", Reason: "0 of 2 servers up: clients are refused", Since: ago()}}}
	}},
	"a source fails": {"discovery", api.LevelWarning, func(r *reporter) {
		r.current.director = conditionDirector{pools: []director.VirtualServerStatus{{Name: "web", Up: true}}}
		r.current.discovery = conditionDiscovery{}
	}},
	"a certificate ends":  {"certificate", api.LevelWarning, checked(healthcheck.CheckStatus{Type: "https", Expiry: time.Now().Add(time.Hour), ExpiringSince: ago()})},
	"a check cannot run":  {"check_cannot_run", api.LevelWarning, checked(healthcheck.CheckStatus{Type: "exec", CannotRun: "there is no such file", CannotRunSince: ago()})},
	"the kernel refuses":  {"kernel", api.LevelWarning, by("kernel")},
	"others' sync daemon": {"sync_daemon", api.LevelWarning, by("sync_daemon")},
	"too few are healthy": {"min_healthy", api.LevelWarning, by("min_healthy")},
	"nothing gets through": {"notify", api.LevelWarning, func(r *reporter) {
		r.silenced = func() []director.Warning {
			return []director.Warning{{Kind: "notify", Text: "answer 403", Since: ago()}}
		}
	}},
	"a long lease": {"lease", api.LevelWarning, func(r *reporter) {
		r.current.config = &conf.Config{Instances: []conf.Instance{{Config: vrrp.Config{Name: "edge", Priority: 100, Version: 3, Interval: time.Second, DownAdverts: 3, Lease: time.Hour}}}}
	}},
	"an address of no instance": {"unclaimed", api.LevelWarning, func(r *reporter) {
		r.current.config = &conf.Config{
			Instances:      []conf.Instance{{Config: vrrp.Config{Name: "edge", Priority: 100, Version: 3, Interval: time.Second, DownAdverts: 3, Lease: time.Second}}},
			VirtualServers: []conf.VirtualServer{{VirtualServer: director.VirtualServer{Name: "web", Keys: []ipvs.ServiceKey{{Address: netip.MustParseAddr("192.0.2.99")}}}}},
		}
	}},
	"more neighbours than there is room": {"neighbours", api.LevelWarning, func(r *reporter) { r.current.neighbours = [2]int{5000, 0} }},
	"a reload failed": {"reload", api.LevelError, func(r *reporter) {
		r.current.reload = reloadOutcome{at: ago(), err: errors.New("usher.hcl:1: bad")}
	}},
	"IPVS fails": {"health", api.LevelError, func(r *reporter) {
		r.current.director = conditionDirector{stats: director.Stats{LastError: "no memory"}}
	}},
	"starting":                                   {"health", api.LevelError, func(r *reporter) { r.current.ready.Store(false) }},
	"somebody changes IPVS again and again":      {"drift", api.LevelWarning, after(fights, events.Event{Kind: string(director.EventDrift), VirtualServer: "web", Reason: "of all things"})},
	"somebody changes addresses again and again": {"addresses", api.LevelWarning, after(fights, ofInstance(vrrp.EventAddressRepaired))},
	"a state file was damaged":                   {"state", api.LevelWarning, after(1, events.Event{Kind: string(director.EventDamaged), Reason: "of all things"})},
	"checks are late":                            {"overload", api.LevelWarning, after(1, events.Event{Kind: string(healthcheck.EventOverload), Reason: "3 probes started late"})},
	"addresses are refused": {"addresses", api.LevelError, func(r *reporter) {
		of(func(s *vrrp.Status) { s.Held = false })(r)
		after(1, ofInstance(vrrp.EventAddressFailed))(r)
	}},
	"routes are refused":         {"routes", api.LevelWarning, also(vrrp.EventRouteFailed)},
	"the witness is not reached": {"witness", api.LevelWarning, also(vrrp.EventWitness)},
	"the VRRP process died":      {"process", api.LevelWarning, after(1, events.Event{Kind: string(vrrp.EventProcess), Reason: "signal: killed"})},
	"adverts are late":           {"late", api.LevelWarning, also(vrrp.EventLate)},
	"the daemon before crashed":  {"crash", api.LevelWarning, after(1, events.Event{Kind: "crash", Reason: "it was killed"})},
	"the port is taken":          {"peers", api.LevelWarning, among(func(v *peers.View) { v.Error = "address already in use" })},
	"a director is gone":         {"peer_absent", api.LevelWarning, among(func(v *peers.View) { v.Members[0].Up, v.Members[0].Why = false, "does not answer" })},
	"another key": {"peer_refused", api.LevelWarning, among(func(v *peers.View) {
		v.LastRefused = &peers.Refused{Reason: "key", From: netip.MustParseAddrPort("192.0.2.9:7946"), At: time.Now()}
	})},
	"files differ": {"config_differs", api.LevelWarning, among(func(v *peers.View) { v.Members[0].Document.Parts = map[string]string{"global": "x"} })},
	"one director does not reach a server": {"health_differs", api.LevelWarning, among(func(v *peers.View) {
		v.Members[0].Document.Down = []share.Health{{VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.0.0.1:80"), State: "down"}}
	})},
	"a pool picks other servers elsewhere": {"pool_differs", api.LevelWarning, among(func(v *peers.View) {
		v.Self.Pools, v.Members[0].Document.Pools = map[string]string{"web": "a"}, map[string]string{"web": "b"}
	})},
	"routers do not answer": {"bgp_session", api.LevelWarning, announcing(announce.Warning{Kind: "bgp_session", Subject: "192.0.2.254", Text: "no BGP session", Since: ago()})},
	"BGP is not spoken":     {"bgp_speaker", api.LevelError, announcing(announce.Warning{Kind: "bgp_speaker", Text: "the BGP speaker does not run", Since: ago(), Error: true})},
	"nothing is announced":  {"announcement", api.LevelError, announcing(announce.Warning{Kind: "announcement", Subject: "web", Text: "not announced: quorum", Since: ago(), Error: true})},
	"two directors are active": {"peer_active", api.LevelError, among(func(v *peers.View) {
		v.Self.Roles = []share.Role{{Instance: "edge", State: "active", VirtualRouterID: 51}}
		v.Members[0].Document.Roles = v.Self.Roles
	})},
}

// among has the daemon be one of two directors that are alike, but for a change.
func among(change func(*peers.View)) func(*reporter) {
	return func(r *reporter) {
		c := &conf.Config{Peers: &conf.Peers{Name: "lb1"}, VirtualServers: []conf.VirtualServer{{VirtualServer: director.VirtualServer{Name: "web"}}}}
		r.current.config, r.current.serving = c, c
		self := r.describe(r.current.now())
		other := self
		other.Name = "lb2"
		v := &peers.View{On: true, Name: "lb1", Listen: netip.MustParseAddrPort("192.0.2.1:7946"), Since: ago(), Self: self,
			Members: []peers.Member{{Name: "lb2", Address: netip.MustParseAddrPort("192.0.2.2:7946"), Up: true, Since: ago(), Heard: ago(), Document: &other}}}
		change(v)
		r.current.peers = readPeers{view: v}
		r.passes(ago(), 20)
	}
}

// announcing has announcements give a warning.
func announcing(w announce.Warning) func(*reporter) {
	return func(r *reporter) { r.current.announcer = conditionAnnouncer{warning: w} }
}

// alone makes an instance one whose addresses nobody is known to hold.
func alone(s *vrrp.Status, state vrrp.State) {
	since := ago()
	s.State, s.Held, s.ActiveRouter, s.NobodyActiveSince = state, false, netip.Addr{}, &since
}

// also is after with a well instance that the event is of.
func also(kind vrrp.EventKind) func(*reporter) {
	return func(r *reporter) {
		of(func(*vrrp.Status) {})(r)
		after(1, ofInstance(kind))(r)
	}
}

// checked has the daemon have a server whose check is so.
func checked(c healthcheck.CheckStatus) func(*reporter) {
	server := netip.MustParseAddrPort("10.0.0.1:80")
	return func(r *reporter) {
		r.current.director = conditionDirector{pools: []director.VirtualServerStatus{{Name: "web", Up: true, Real: []director.RealServerStatus{{Address: server, State: director.ServerUp}}}}}
		r.current.checks = conditionChecks{list: []healthcheck.Status{{ID: healthcheck.ID{VirtualServer: "web", RealServer: server}, Checks: []healthcheck.CheckStatus{c}}}}
	}
}

// Doubles that say what a condition has them say.
type (
	conditionDirector struct {
		Director
		pools    []director.VirtualServerStatus
		stats    director.Stats
		warnings []director.Warning
	}
	conditionChecks struct {
		Checks
		list []healthcheck.Status
	}
	conditionDiscovery struct{ Discovery }
	conditionAnnouncer struct {
		Announcer
		warning announce.Warning
	}
)

func (d conditionDirector) Status() []director.VirtualServerStatus { return d.pools }
func (d conditionDirector) Stats() director.Stats                  { return d.stats }
func (d conditionDirector) Warnings() []director.Warning           { return d.warnings }
func (conditionDirector) Settings() []director.SettingStatus       { return nil }
func (conditionAnnouncer) Status() []announce.Status               { return nil }
func (conditionAnnouncer) Sessions() []announce.Session            { return nil }
func (conditionAnnouncer) Unclaimed() (uint64, error)              { return 0, nil }
func (a conditionAnnouncer) Warnings() []announce.Warning          { return []announce.Warning{a.warning} }
func (c conditionChecks) Statuses() []healthcheck.Status           { return c.list }
func (conditionDiscovery) Servers(string) []discover.Server        { return nil }
func (conditionDiscovery) Status() []engine.Status {
	s := engine.Status{VirtualServer: "web", Source: discover.Source{Kind: "dns", Name: "backends"}}
	s.Failing, s.Failure = ago(), &discover.Failure{Reason: "timeout", Text: "no answer"}
	return []engine.Status{s}
}

// report is what a daemon says that is well but for one condition.
func (c condition) report() api.Status {
	r := newReporter()
	r.current.ready.Store(true)
	r.current.snapshot = snapshot{started: time.Now().Add(-time.Hour), checks: conditionChecks{}}
	c.make(r)
	return r.Status()
}

// Conditions are what daemons say, by what is the matter with them. It is for the tests
// of what shows it.
func Conditions() map[string]api.Status {
	all := map[string]api.Status{"all is well": condition{make: func(*reporter) {}}.report()}
	for name, c := range conditions {
		all[name] = c.report()
	}
	return all
}

// TestConditions: each gives its warning and the verdict that goes with its severity; that
// nobody holds an address comes before all else.
func TestConditions(t *testing.T) {
	if v := (condition{make: func(*reporter) {}}).report().Verdict; v.Level != api.LevelOK {
		t.Fatalf("nothing is the matter: %+v", v)
	}
	for name, c := range conditions {
		s := c.report()
		i := slices.IndexFunc(s.Warnings, func(w api.Warning) bool { return w.Kind == c.kind && w.Severity == string(c.level) })
		if i < 0 || s.Verdict.Level != c.level {
			t.Errorf("%s: verdict %+v, warnings %+v", name, s.Verdict, s.Warnings)
			continue
		}
		if c.kind == nobodyActive && i != 0 {
			t.Errorf("%s: nobody holds the addresses, and %s is said first", name, s.Warnings[0].Kind)
		}
		if first := s.Warnings[0]; !strings.Contains(s.Verdict.Text, first.Text) {
			t.Errorf("%s: the verdict %q does not say %q", name, s.Verdict.Text, first.Text)
		}
	}
}

// These find the kinds of warnings in the source: of this package, which adds them by a
// function as well, and of others.
var (
	literal = regexp.MustCompile(`Warning\{[^}]*\bKind: +"([a-z_]+)"`)
	added   = regexp.MustCompile(`\badd\((?:events\.\w+, )?"([a-z_]+)"`)
)

// TestConditionsAreComplete: every kind of warning that the source has is documented, and
// has a condition above, so that no test forgets one.
func TestConditionsAreComplete(t *testing.T) {
	made := map[string]bool{nobodyActive: true}
	for _, m := range memories {
		made[m.kind] = true
	}
	for _, pattern := range []string{"*.go", "../notify/*.go", "../../../../director/*.go", "../../../../director/engine/*.go", "../../../../director/announce/engine/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %q, %v", pattern, names, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			all := literal.FindAllStringSubmatch(string(text), -1)
			if pattern == "*.go" {
				all = append(all, added.FindAllStringSubmatch(string(text), -1)...)
			}
			for _, found := range all {
				made[found[1]] = true
			}
		}
	}
	field, _ := reflect.TypeFor[api.Warning]().FieldByName("Kind")
	documented := strings.Split(field.Tag.Get("enum"), ",")
	shown := map[string]bool{}
	for _, c := range conditions {
		shown[c.kind] = true
	}
	for what, kinds := range map[string][]string{"in the documentation (api.Warning)": documented, "among the conditions": slices.Collect(maps.Keys(shown))} {
		slices.Sort(kinds)
		if all := slices.Sorted(maps.Keys(made)); !slices.Equal(kinds, all) {
			t.Errorf("kinds of warnings %s: %q; the source makes %q", what, kinds, all)
		}
	}
}
