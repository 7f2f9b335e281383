package metrics_test

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/metrics"
	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/healthcheck/redact"
)

type source struct{ status api.Status }

func (s source) Status() api.Status { return s.status }

func (s source) DirectorStats() director.Stats {
	return director.Stats{Ops: map[ipvs.OpKind]uint64{ipvs.AddService: 3}, DriftRepairs: 2, Errors: 1}
}

func (s source) CheckStats() healthcheck.Stats { return healthcheck.Stats{Checks: 9, Late: 4} }

func (s source) Secrets() *redact.Set { return redact.Everywhere([]string{"opal-secret"}) }

func scrape(t *testing.T, s api.Status) string {
	t.Helper()
	m := metrics.New("1.2.3")
	m.Observe(healthcheck.TypeHTTP, healthcheck.Result{Outcome: healthcheck.Pass, Latency: 3 * time.Millisecond})
	m.Observe(healthcheck.TypeTCP, healthcheck.Result{Outcome: healthcheck.Fail, Latency: time.Second})
	w := httptest.NewRecorder()
	m.Handler(source{s}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func full() api.Status {
	age := 12.5
	expiry := time.Unix(1_900_000_000, 0)
	return api.Status{
		Reload: &api.Reload{OK: false},
		Announcements: []api.Announcement{{Name: "web", Withdrawals: 21, Addresses: []api.AnnouncementPrefix{
			{Prefix: "192.0.2.10/32", State: "announced", Reason: "ready"}, {Prefix: "192.0.2.11/32", State: "withdrawn", Reason: "quorum"}}},
			{Name: "mail", Addresses: []api.AnnouncementPrefix{{Prefix: "192.0.2.12/32", State: "announced", Reason: "ready"}}}},
		Sessions:  []api.Session{{Peer: "192.0.2.254", State: "established", Flaps: 22, Refused: 23}, {Peer: "192.0.2.253", State: "active"}},
		Unclaimed: 24,
		Directors: &api.Directors{
			Directors: []api.Director{{Name: "lb1", Self: true, Up: true}, {Name: "lb2", Up: true}, {Address: "192.0.2.4:7946"}},
			Differences: []api.Difference{
				{Kind: "config", Parts: []string{"virtual_server web"}, Directors: []string{"lb2"}},
				{Kind: "config", Parts: []string{"global", "virtual_server web"}, Directors: []string{"lb3"}},
				{Kind: "health", Servers: 2}, {Kind: "health", Servers: 1},
			},
			Refused: map[string]uint64{"key": 3},
		},
		Instances: []api.Instance{{Name: "edge", State: "active", EffectivePriority: 80, Transitions: 3, SplitBrain: &api.SplitBrain{},
			HMAC: &api.HMAC{Mode: "permissive"}, Peers: []api.Peer{{Address: "192.0.2.3", Key: 2}, {Address: "192.0.2.4"}},
			Statistics: api.Statistics{
				AdvertsSent: 10, AdvertsReceived: 11, Repairs: map[string]uint64{"route": 17}, Discarded: map[string]uint64{"ip_ttl_error": 7},
				PriorityZeroSent: 12, PriorityZeroReceived: 13, BecameActive: 14, NewActiveReason: "preempted", AddressMismatches: 15, IntervalMismatches: 16, HMACVerified: 18, HMACUnsigned: 19,
			}}},
		VirtualServers: []api.VirtualServer{{Name: "web", Up: true, Fingerprint: 123456789, Counters: api.Counters{Connections: 1 << 40, BytesIn: 5, BytesOut: 6},
			RealServers: []api.RealServer{
				{Address: "10.0.0.1:80", State: "up", EffectiveWeight: 5, ActiveConnections: 8, InactiveConnections: 9,
					Checks: []api.Check{{Type: "https", Certificate: &expiry}, {Type: "exec", CannotRun: true}}},
				{Address: "10.0.0.2:80", State: "down"},
				{Address: "10.0.0.3:80", State: "draining", Removed: true, ActiveConnections: 4},
				{Address: "10.0.0.1:80", State: "up", Sorry: true},
			},
			Discover: []api.Discovery{{Type: "dns", Name: "dns web.example A", Servers: 2, AgeSeconds: &age, Errors: map[string]uint64{"timeout": 3}}, {Type: "file", Name: "file web.json"}},
		}},
	}
}

// TestNames holds every metric of the design by name, labels and value.
func TestNames(t *testing.T) {
	text := scrape(t, full())
	for _, want := range []string{
		`usher_vrrp_state{instance="edge",state="active"} 1`,
		`usher_discovery_targets{source="dns web.example A",virtual_server="web"} 2`,
		`usher_discovery_age_seconds{source="dns web.example A",virtual_server="web"} 12.5`,
		`usher_discovery_age_seconds{source="file web.json",virtual_server="web"} +Inf`,
		`usher_discovery_errors_total{reason="timeout",source="dns web.example A",virtual_server="web"} 3`,
		`usher_discovery_errors_total{reason="nxdomain",source="file web.json",virtual_server="web"} 0`,
		`usher_vrrp_state{instance="edge",state="backup"} 0`,
		`usher_vrrp_state{instance="edge",state="fault"} 0`,
		`usher_vrrp_state{instance="edge",state="initialize"} 0`,
		`usher_vrrp_effective_priority{instance="edge"} 80`,
		`usher_vrrp_transitions_total{instance="edge"} 3`,
		`usher_vrrp_adverts_sent_total{instance="edge"} 10`,
		`usher_vrrp_adverts_received_total{instance="edge"} 11`,
		`usher_vrrp_adverts_discarded_total{instance="edge",reason="ip_ttl_error"} 7`,
		`usher_vrrp_adverts_discarded_total{instance="edge",reason="own_source"} 0`,
		`usher_vrrp_repairs_total{instance="edge",kind="route"} 17`,
		`usher_vrrp_repairs_total{instance="edge",kind="address"} 0`,
		`usher_vrrp_split_brain{instance="edge"} 1`,
		`usher_vrrp_priority_zero_sent_total{instance="edge"} 12`,
		`usher_vrrp_priority_zero_received_total{instance="edge"} 13`,
		`usher_vrrp_became_active_total{instance="edge"} 14`,
		`usher_vrrp_new_active_reason{instance="edge",reason="preempted"} 1`,
		`usher_vrrp_new_active_reason{instance="edge",reason="no_response"} 0`,
		`usher_vrrp_address_mismatches_total{instance="edge"} 15`,
		`usher_vrrp_interval_mismatches_total{instance="edge"} 16`,
		`usher_vrrp_adverts_discarded_total{instance="edge",reason="hmac_replay"} 0`,
		`usher_vrrp_hmac_verified_total{instance="edge"} 18`,
		`usher_vrrp_hmac_unsigned_total{instance="edge"} 19`,
		`usher_vrrp_peer_signed{instance="edge",key="2",peer="192.0.2.3"} 1`,
		`usher_vrrp_peer_signed{instance="edge",key="0",peer="192.0.2.4"} 0`,
		`usher_real_server_up{real_server="10.0.0.1:80",virtual_server="web"} 1`,
		`usher_real_server_up{real_server="10.0.0.2:80",virtual_server="web"} 0`,
		`usher_real_server_weight{real_server="10.0.0.1:80",virtual_server="web"} 5`,
		// One that a reload removed is there until its connections are gone, and is not down.
		`usher_real_server_up{real_server="10.0.0.3:80",virtual_server="web"} 0`,
		`usher_real_server_down{real_server="10.0.0.3:80",virtual_server="web"} 0`,
		`usher_real_server_active_connections{real_server="10.0.0.3:80",virtual_server="web"} 4`,
		`usher_check_duration_seconds_count{type="http"} 1`,
		`usher_check_duration_seconds_bucket{type="http",le="0.005"} 1`,
		`usher_check_results_total{result="pass"} 1`,
		`usher_check_results_total{result="fail"} 1`,
		`usher_check_results_total{result="inconclusive"} 0`,
		`usher_check_cannot_run{real_server="10.0.0.1:80",type="exec",virtual_server="web"} 1`,
		`usher_check_certificate_expiry_timestamp_seconds{real_server="10.0.0.1:80",type="https",virtual_server="web"} 1.9e+09`,
		`usher_checks_late_total 4`,
		`usher_ipvs_connections_total{virtual_server="web"} 1.099511627776e+12`,
		`usher_ipvs_bytes_total{direction="in",virtual_server="web"} 5`,
		`usher_ipvs_bytes_total{direction="out",virtual_server="web"} 6`,
		`usher_ipvs_sync_operations_total{op="` + ipvs.AddService.String() + `"} 3`,
		`usher_ipvs_sync_operations_total{op="` + ipvs.DelDestination.String() + `"} 0`,
		`usher_ipvs_drift_repairs_total 2`,
		`usher_announce_state{announce="web"} 0`, // one of its addresses is not
		`usher_announce_state{announce="mail"} 1`,
		`usher_announce_prefix_state{announce="web",prefix="192.0.2.11/32",state="withdrawn"} 1`,
		`usher_announce_prefix_state{announce="web",prefix="192.0.2.11/32",state="announced"} 0`,
		`usher_announce_reason{announce="web",prefix="192.0.2.11/32",reason="quorum"} 1`,
		`usher_announce_reason{announce="web",prefix="192.0.2.11/32",reason="table"} 0`,
		`usher_announce_withdrawals_total{announce="web"} 21`,
		`usher_bgp_session_up{peer="192.0.2.254"} 1`,
		`usher_bgp_session_up{peer="192.0.2.253"} 0`,
		`usher_bgp_flaps_total{peer="192.0.2.254"} 22`,
		`usher_bgp_refused_total{peer="192.0.2.254"} 23`,
		`usher_unclaimed_packets_total 24`,
		`usher_pool_fingerprint{virtual_server="web"} 1.23456789e+08`,
		`usher_peer_up{peer="lb2"} 1`,
		`usher_peer_up{peer="192.0.2.4:7946"} 0`,
		"\nusher_peer_config_differs{part=\"global\"} 1\nusher_peer_config_differs{part=\"virtual_server web\"} 1\n#",
		`usher_peer_health_differs 3`,
		`usher_peer_refused_total{reason="key"} 3`,
		`usher_config_reload_success 0`,
		`usher_build_info{goversion="go1.`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(scrape(t, api.Status{}), "usher_config_reload_success 0") {
		t.Error("before the first reload nothing has failed")
	}
	if strings.Contains(scrape(t, api.Status{}), "usher_peer") || strings.Contains(text, `peer="lb1"`) {
		t.Error("peers where there are none, or this director among them")
	}
}

// TestLint: names, units and help texts by Prometheus' own conventions.
func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, full()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestText: what is written is read back by Prometheus' own parser, compressed or
// not, whatever names people choose, and each family stands once.
func TestText(t *testing.T) {
	const name = "a \"b\" \\ c\nd é"
	m := metrics.New("1.2.3")
	s := full()
	s.VirtualServers[0].Name = name
	for _, accepted := range []string{"", "br, gzip;q=0.5", "gzip;q=0"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept-Encoding", accepted)
		m.Handler(source{s}).ServeHTTP(w, r)
		var body io.Reader = w.Body
		if compressed := w.Header().Get("Content-Encoding") == "gzip"; compressed != strings.Contains(accepted, "0.5") {
			t.Errorf("Accept-Encoding %q: compressed %t", accepted, compressed)
		} else if compressed {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(body)
		if err != nil {
			t.Fatal(err)
		}
		up := families["usher_virtual_server_up"]
		if up == nil || len(up.Metric) != 1 || up.Metric[0].Label[0].GetValue() != name || up.Metric[0].GetGauge().GetValue() != 1 {
			t.Errorf("virtual_server_up: %v", up)
		}
		if c := families["usher_ipvs_bytes_total"]; c == nil || c.GetType().String() != "COUNTER" || len(c.Metric) != 2 {
			t.Errorf("ipvs_bytes_total: %v", c)
		}
		if families["usher_vrrp_state"] == nil || families["go_goroutines"] == nil {
			t.Error("a part is missing")
		}
	}
}

// TestNoSecretInALabel: a name that holds one is not shown, and the document stays valid.
func TestNoSecretInALabel(t *testing.T) {
	text := scrape(t, api.Status{VirtualServers: []api.VirtualServer{{Name: `to "opal-secret"`, Up: true}}})
	if !strings.Contains(text, `usher_virtual_server_up{virtual_server="to \"(hidden)\""} 1`) || strings.Contains(text, "opal") {
		t.Error(text)
	}
}
