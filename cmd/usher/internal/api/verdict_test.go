package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
)

// TestVerdict: one line says whether a person is needed, and the address for probes
// agrees with it, whatever the status is.
func TestVerdict(t *testing.T) {
	pool := func(states ...string) (v api.VirtualServer) {
		v = api.VirtualServer{Name: "web", Up: true}
		for _, s := range states {
			v.RealServers = append(v.RealServers, api.RealServer{State: s})
		}
		v.RealServers = append(v.RealServers, api.RealServer{State: "down", Sorry: true})
		return v
	}
	instance := func(states ...string) (list []api.Instance) {
		for _, s := range states {
			list = append(list, api.Instance{Name: "i" + s, State: s})
		}
		return list
	}
	bad := api.Warning{Severity: "error", Subject: "web", Text: "quorum lost"}
	worse := api.Warning{Severity: "error", Text: "the last reload failed"}
	mild := api.Warning{Severity: "warning", Subject: "eth0", Text: "a certificate ends"}
	for name, c := range map[string]struct {
		status  api.Status
		verdict api.Verdict
		healthz string
		code    int
	}{
		"blank":     {api.Status{}, api.Verdict{Level: api.LevelOK, Text: "nobody is needed: nothing is configured"}, "ok\n", 200},
		"starting":  {api.Status{Instances: instance("initialize")}, api.Verdict{Level: api.LevelOK, Text: "nobody is needed: starting"}, "ok\n", 200},
		"well":      {api.Status{Instances: instance("active", "backup"), VirtualServers: []api.VirtualServer{pool("up", "up")}}, api.Verdict{Level: api.LevelOK, Text: "nobody is needed: active for iactive; backup for ibackup; 2 of 2 real servers up"}, "ok\n", 200},
		"drained":   {api.Status{VirtualServers: []api.VirtualServer{pool("up", "draining", "disabled")}}, api.Verdict{Level: api.LevelOK, Text: "nobody is needed: 1 of 3 real servers up"}, "ok\n", 200},
		"one down":  {api.Status{VirtualServers: []api.VirtualServer{pool("up", "down")}}, api.Verdict{Level: api.LevelWarning, Text: "worth a look: 1 of 2 real servers is down; every service goes on"}, "ok, but worth a look: 1 of 2 real servers is down; every service goes on\n", 200},
		"some down": {api.Status{VirtualServers: []api.VirtualServer{pool("up", "down", "down")}}, api.Verdict{Level: api.LevelWarning, Text: "worth a look: 2 of 3 real servers are down; every service goes on"}, "ok, but worth a look: 2 of 3 real servers are down; every service goes on\n", 200},
		"warned":    {api.Status{Warnings: []api.Warning{mild}}, api.Verdict{Level: api.LevelWarning, Text: "worth a look: eth0: a certificate ends"}, "ok, but worth a look: eth0: a certificate ends\n", 200},
		"broken":    {api.Status{Warnings: []api.Warning{bad}}, api.Verdict{Level: api.LevelError, Text: "a person is needed: web: quorum lost"}, "web: quorum lost\n", 503},
		"all of it": {api.Status{Warnings: []api.Warning{worse, bad, mild, mild}}, api.Verdict{Level: api.LevelError, Text: "a person is needed: the last reload failed (and 1 more error, 2 more warnings)"}, "the last reload failed\nweb: quorum lost\n", 503},
	} {
		t.Run(name, func(t *testing.T) {
			if got := api.Judge(c.status); got != c.verdict {
				t.Errorf("verdict %+v, want %+v", got, c.verdict)
			}
			h := api.Handler(apitest.New(c.status), metricsDouble(), false, nil)
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if answer.Code != c.code || answer.Body.String() != c.healthz {
				t.Errorf("healthz %d %q, want %d %q", answer.Code, answer.Body, c.code, c.healthz)
			}
			answer = httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/v1/health", nil))
			if answer.Code != c.code || !strings.Contains(answer.Body.String(), `"level":"`+string(c.verdict.Level)+`"`) {
				t.Errorf("health %d %s", answer.Code, answer.Body)
			}
			// What would restart the daemon is not told of what a restart does not mend.
			answer = httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/livez", nil))
			if answer.Code != 200 || answer.Body.String() != "ok\n" {
				t.Errorf("livez %d %q", answer.Code, answer.Body)
			}
		})
	}
}

// TestLivez fails where the daemon itself gets no further, and only there: what the kernel
// refuses is no better after a restart.
func TestLivez(t *testing.T) {
	b := apitest.New(api.Status{})
	asked := func(path string) string {
		answer := httptest.NewRecorder()
		api.Handler(b, metricsDouble(), false, nil).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return fmt.Sprint(answer.Code, " ", answer.Body.String())
	}
	b.Sicken("IPVS: no memory")
	if live, healthy := asked("/livez"), asked("/healthz"); live != "200 ok\n" || healthy != "503 IPVS: no memory\n" {
		t.Errorf("the kernel refuses something: livez %q, healthz %q", live, healthy)
	}
	b.Stick("the director gets no further")
	if live := asked("/livez"); live != "503 the director gets no further\n" {
		t.Errorf("stuck: livez %q", live)
	}
}
