package daemon_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/director"
	"usher/healthcheck"
	"usher/vrrp"
	"usher/vrrp/timespan"
)

// TestStatusDocument pins the names that other programs read.
func TestStatusDocument(t *testing.T) {
	f := newFixture(t)
	f.start()
	var s map[string]any
	if err := api.Socket(f.socket()).Get(t.Context(), "/api/v1/status", &s); err != nil {
		t.Fatal(err)
	}
	has := func(what string, v any, keys ...string) map[string]any {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s is %T", what, v)
		}
		for _, k := range keys {
			if _, ok := m[k]; !ok {
				t.Errorf("%s lacks %q", what, k)
			}
		}
		return m
	}
	first := func(m map[string]any, key string) any { return m[key].([]any)[0] }
	has("status", s, "router_id", "version", "instances", "virtual_servers")
	i := has("instance", first(s, "instances"), "name", "state", "priority", "effective_priority", "active_router",
		"virtual_router_id", "interface", "addresses", "transitions", "since")
	v := has("virtual server", first(s, "virtual_servers"), "name", "address", "protocol", "scheduler", "forward_method", "up", "quorum", "real_servers")
	r := has("real server", first(v, "real_servers"), "address", "forward_method", "weight", "effective_weight", "state", "reason",
		"active_connections", "inactive_connections", "checks")
	c := has("check", first(r, "checks"), "type", "state", "last_error", "latency_ms", "since", "last_run", "next_run")
	if i["state"] != "backup" || i["active_router"] != "192.0.2.7" || r["state"] != "up" || c["latency_ms"] != 1.5 {
		b, _ := json.MarshalIndent(s, "", " ")
		t.Errorf("values: %s", b)
	}
}

// TestAddressOfNoInstance: a service whose address nothing brings here is a warning
// for as long as it is so.
func TestAddressOfNoInstance(t *testing.T) {
	f := newFixture(t)
	f.write(f.global("") + instanceOn("eth0") + strings.ReplaceAll(pool("web"), "192.0.2.200", "192.0.2.99"))
	d, _ := f.start()
	told := func() bool {
		return slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool {
			return w.Kind == "unclaimed" && w.Severity == "warning" && w.Subject == "web" && strings.Contains(w.Text, "192.0.2.99")
		})
	}
	if !told() {
		t.Errorf("not told: %+v", d.Status().Warnings)
	}
	f.write(f.both("eth0", "web"))
	if err := d.Reload(t.Context()); err != nil || told() {
		t.Errorf("mended (%v) and told still: %+v", err, d.Status().Warnings)
	}
}

// TestLongLease: a lease that ends only after peers have taken over is a warning for as
// long as it runs; the default never is.
func TestLongLease(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	told := func() bool {
		return slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool {
			return w.Kind == "lease" && w.Severity == "warning" && w.Subject == "edge" && strings.Contains(w.Text, "4 s") && strings.Contains(w.Text, "3.6 s")
		})
	}
	for _, tc := range []struct {
		keys string
		want bool
	}{{"", false}, {`lease = "4s"`, true}, {`advert_interval = "100ms"`, false}} {
		f.write(f.global("") + strings.Replace(instanceOn("eth0"), "virtual_router_id", tc.keys+"\nvirtual_router_id", 1) + pool("web"))
		if err := d.Reload(t.Context()); err != nil || told() != tc.want {
			t.Errorf("%q: %v; told is %t: %+v", tc.keys, err, told(), d.Status().Warnings)
		}
	}
}

// TestCertificateWarning: a certificate that ends soon stays a warning for as long as
// it does, however long ago the event was.
func TestCertificateWarning(t *testing.T) {
	f := newFixture(t)
	f.write(f.global("") + strings.Replace(pool("web"), `health_check "tcp" {}`, `health_check "https" { expiry_warning = "720h" }`, 1))
	f.start()
	var s api.Status
	if err := api.Socket(f.socket()).Get(t.Context(), "/api/v1/status", &s); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Warnings, func(w api.Warning) bool {
		return w.Kind == "certificate" && w.Subject == "web 10.0.0.1:80" && w.Text == "the certificate that the https check sees ends "+timespan.At(time.Unix(1900000000, 0))
	}) {
		t.Errorf("warnings %+v", s.Warnings)
	}
}

// TestCheckEvents: what happens to the checks themselves is an event; an overload is
// a warning for a while, too.
func TestCheckEvents(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	id := healthcheck.ID{VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.0.0.1:80")}
	for _, e := range []healthcheck.Event{
		{Kind: healthcheck.EventOverload, At: time.Now(), Message: "3 probes started late"},
		{Kind: healthcheck.EventExpiry, At: time.Now(), ID: id, Check: "https", Message: "the certificate ends soon"},
	} {
		f.world.hooks.Events(e)
	}
	list, _, _ := d.Events().List(events.Filter{})
	var got []string
	for _, e := range list {
		if e.Severity == events.Warning {
			got = append(got, strings.Join([]string{e.Kind, e.VirtualServer, e.RealServer, e.Reason}, "|"))
		}
	}
	want := []string{"check_overload|||3 probes started late", "certificate_expiry|web|10.0.0.1:80|the certificate ends soon"}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if !slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool { return w.Kind == "overload" && w.Text == "3 probes started late" }) {
		t.Errorf("warnings %+v", d.Status().Warnings)
	}
}

// TestAddressWarning: an address that could not be held is a warning until the
// instance has all of its addresses again.
func TestAddressWarning(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	f.world.vrrpEvents(vrrp.Event{Time: time.Now(), Instance: "edge", Kind: vrrp.EventAddressFailed, Reason: "no such device"})
	told := func() bool {
		return slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool {
			return w.Kind == "addresses" && w.Subject == "edge" && w.Text == "no such device"
		})
	}
	if !told() {
		t.Errorf("not told: %+v", d.Status().Warnings)
	}
	f.world.mu.Lock()
	f.world.statuses[0].Held = true
	f.world.mu.Unlock()
	if told() {
		t.Error("held again, and told still")
	}
}

// TestDisagreementWarning: another router of the same virtual router whose adverts are
// discarded is an error, as the event is, until the VRRP process says that it is over.
func TestDisagreementWarning(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	told := func() (all []api.Warning) {
		return slices.DeleteFunc(d.Status().Warnings, func(w api.Warning) bool { return w.Kind != "disagreement" })
	}
	if w := told(); len(w) > 0 {
		t.Errorf("told before: %+v", w)
	}
	since, peer := time.Now().Add(-time.Minute), netip.MustParseAddr("192.0.2.9")
	text := "192.0.2.9 sends version 2, this router version 3: give both the same version"
	f.becomes(func(s *vrrp.Status) {
		s.Disagreements = []vrrp.Disagreement{{Peer: peer, Reason: vrrp.DiscardVersion, Text: text, Since: since}}
	}, vrrp.Event{Time: time.Now(), Kind: vrrp.EventDisagreement, Peer: peer, Reason: text})
	w := told()
	if len(w) != 1 || w[0].Severity != "error" || w[0].Subject != "edge" || w[0].Text != text || !w[0].Since.Equal(since) {
		t.Errorf("told %+v", w)
	}
	if v := d.Status().Verdict; v.Level != api.LevelError {
		t.Errorf("verdict %+v", v)
	}
	list, _, _ := d.Events().List(events.Filter{})
	if !slices.ContainsFunc(list, func(e events.Event) bool {
		return e.Kind == "disagreement" && e.Severity == events.Error && e.Instance == "edge" && e.Peer == "192.0.2.9" && e.Reason == text
	}) {
		t.Errorf("events %+v", list)
	}
	f.becomes(func(s *vrrp.Status) { s.Disagreements = nil }, vrrp.Event{Time: time.Now(), Kind: vrrp.EventDisagreementEnd, Peer: peer, Reason: "over"})
	if w := told(); len(w) > 0 {
		t.Errorf("over, and told still: %+v", w)
	}
}

// TestSilentNotifications: ways out by which nothing gets through are a warning.
func TestSilentNotifications(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	told := func() bool {
		return slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool {
			return w.Kind == "notify" && w.Severity == "warning" && strings.Contains(w.Text, "answer 403")
		})
	}
	for _, list := range [][]director.Warning{nil, {{Kind: "notify", Text: "answer 403", Since: time.Now()}}, nil} {
		f.world.mu.Lock()
		f.world.silenced = list
		f.world.mu.Unlock()
		if told() != (list != nil) {
			t.Errorf("told is %t: %+v", told(), d.Status().Warnings)
		}
	}
}
