package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/control"
)

func metricsDouble() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "usher_build_info 1") })
}

func status() api.Status {
	now := time.Now()
	return api.Status{
		RouterID: "lb1", Version: "1", Started: now, Warnings: []api.Warning{{Severity: "warning", Kind: "neighbours", Subject: "web", Text: "crowded", Since: now}},
		Reload: &api.Reload{At: now, OK: true}, Settings: []api.Setting{{Name: "x", Value: "1"}},
		Announcements: []api.Announcement{{Name: "web", VirtualServers: []string{"web"}, Withdrawn: true, Withdrawals: 2,
			Addresses: []api.AnnouncementPrefix{{Prefix: "192.0.2.10/32", State: "draining", Phase: "draining", Reason: "operator", Text: "withdrawn by an operator", Since: now, Until: &now}}}},
		Sessions: []api.Session{{Peer: "192.0.2.254", ASN: 65000, State: "idle", Reason: "no answer", Since: &now, Families: []string{"ipv4"}, BFD: "down", BFDReason: "silent"}}, Unclaimed: 3,
		Instances: []api.Instance{{Name: "edge", State: "active", Addresses: []string{"192.0.2.1/32"}, Since: now,
			SplitBrain: &api.SplitBrain{Address: "192.0.2.2", Since: now}, Tracks: []api.Track{{Name: "t"}},
			Statistics: api.Statistics{Discarded: map[string]uint64{"ip_ttl_error": 1}, LastDiscard: &api.Discard{At: now}}}},
		VirtualServers: []api.VirtualServer{{Name: "web", Since: now, History: []uint64{1, 2}, RealServers: []api.RealServer{{
			Address: "10.0.0.1:80", State: "up", Since: now, Override: &api.Override{Mode: "drain", Since: now},
			Checks: []api.Check{{Type: "http", State: "up", Since: now, LastRun: &now, NextRun: &now, Certificate: &now}},
		}}}},
	}
}

// TestOverTheSocketWithCurl: the API as somebody else's client sees it.
func TestOverTheSocketWithCurl(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "u.sock")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	b := apitest.New(status())
	server := &http.Server{Handler: api.Handler(b, metricsDouble(), true, nil), ConnContext: control.WithPeer}
	defer apitest.Serve(server, l)()
	curl := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("curl", append([]string{"-s", "-w", " %{http_code}", "--unix-socket", socket}, args...)...).Output()
		if err != nil {
			t.Fatalf("curl %v: %v", args, err)
		}
		return string(out)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"http://usher/api/v1/status"}, []string{`"router_id":"lb1"`, " 200"}},
		{[]string{"http://usher/livez"}, []string{"ok\n 200"}},
		{[]string{"http://usher/healthz"}, []string{"ok, but worth a look: web: crowded\n 200"}},
		{[]string{"http://usher/api/v1/config"}, []string{`"RouterID":"lb1"`}},
		{[]string{"-X", "POST", "-d", `{"virtual_server":"web","real_server":"10.0.0.1:80"}`, "http://usher/api/v1/drain"}, []string{`"message":"drain: web 10.0.0.1:80"`, " 200"}},
		{[]string{"-X", "POST", "-d", `{"virtual_server":"web","real_server":"10.0.0.1:80"}`, "http://usher/api/v1/weight"}, []string{`"weight\" is missing`, " 400"}},
		{[]string{"-X", "POST", "-d", `{"virtualserver":"web"}`, "http://usher/api/v1/drain"}, []string{"unknown field", " 400"}},
		{[]string{"-X", "POST", "-d", `{}{}`, "http://usher/api/v1/drain"}, []string{"more than one JSON value", " 400"}},
		{[]string{"-X", "POST", "-d", `{}`, "http://usher/api/v1/maintenance"}, []string{`"on\" is missing`, " 400"}},
		{[]string{"-X", "POST", "http://usher/api/v1/reload"}, []string{"configuration reloaded", " 200"}},
		{[]string{"http://usher/api/v1/reload"}, []string{" 405"}},
		{[]string{"http://usher/api/v1/nothing"}, []string{"there is no /api/v1/nothing", " 404"}},
		{[]string{"http://usher/api/v1/events?wait=nonsense"}, []string{"is no duration", " 400"}},
	} {
		got := curl(c.args...)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("curl %v: %q lacks %q", c.args, got, w)
			}
		}
	}
	if s, ok := b.Asked()[0].(api.Steer); !ok || s.Mode != "drain" || s.By == "" {
		t.Errorf("asked %+v, with the name of the one who asked", b.Asked()[0])
	}
	for _, c := range []struct {
		err  error
		want string
	}{{api.ErrUnknown, " 404"}, {api.ErrRefused, " 422"}, {errors.New("disk full"), " 500"}} {
		b.Refuse(fmt.Errorf("because: %w", c.err))
		if got := curl("-X", "POST", "http://usher/api/v1/reload"); !strings.HasSuffix(got, c.want) {
			t.Errorf("%v: %q, want%s", c.err, got, c.want)
		}
	}
	b.Stick("the director gets no further")
	if got := curl("http://usher/livez"); got != "the director gets no further\n 503" {
		t.Errorf("sick: %q", got)
	}
}

// TestAskerByCertificate: who steers from afar is named by the certificate.
func TestAskerByCertificate(t *testing.T) {
	b := apitest.New(status())
	r := httptest.NewRequest(http.MethodPost, "/api/v1/drain", strings.NewReader(`{"virtual_server":"web","real_server":"10.0.0.1:80"}`))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: "anna"}}}}
	api.Handler(b, metricsDouble(), true, nil).ServeHTTP(httptest.NewRecorder(), r)
	if s, ok := b.Asked()[0].(api.Steer); !ok || s.By != "certificate CN=anna" {
		t.Errorf("asked %+v", b.Asked()[0])
	}
}

// TestReadOnly: over TCP nothing that changes state is reachable.
func TestReadOnly(t *testing.T) {
	b := apitest.New(status())
	h := api.Handler(b, metricsDouble(), false, nil)
	steering := 0
	for path, methods := range api.Document()["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			if method != "post" && path != "/api/v1/variables" {
				continue
			}
			steering++
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(strings.ToUpper(method), path, strings.NewReader(`{}`)))
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "read-only") {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
	if steering != 11 {
		t.Errorf("%d operations steer or give away secrets, the document should have 11", steering)
	}
	if asked := b.Asked(); len(asked) != 0 {
		t.Errorf("something was done: %v", asked)
	}
}
