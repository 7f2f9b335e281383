package cli_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
)

// farm is many virtual servers, all well but two.
func farm(n int) api.Status {
	now := time.Now()
	s := api.Status{RouterID: "lb1", Version: "1", Started: now, Settings: []api.Setting{{Name: "net/ipv4/ip_forward", Value: "1"}}}
	for i := range n {
		s.VirtualServers = append(s.VirtualServers, api.VirtualServer{
			Name: fmt.Sprintf("pool%d", i), Address: fmt.Sprintf("192.0.2.%d:80", i), Protocol: "tcp", Up: true, Quorum: 1, Since: now,
			RealServers: []api.RealServer{{Address: "10.0.0.1:80", State: "up", Since: now}, {Address: "10.0.0.2:80", State: "up", Since: now}},
		})
	}
	s.VirtualServers[n-2].RealServers[1] = api.RealServer{Address: "10.0.0.2:80", State: "down", Reason: "http: connection refused", Since: now}
	s.VirtualServers[n-1].Up, s.VirtualServers[n-1].Reason = false, "0 of 2 servers up: clients are refused"
	s.Warnings = []api.Warning{
		{Severity: "error", Kind: "quorum", Subject: s.VirtualServers[n-1].Name, Text: "quorum lost", Since: now},
		{Severity: "warning", Kind: "certificate", Subject: "pool0 10.0.0.1:80", Text: "a certificate ends", Since: now},
	}
	s.Instances = []api.Instance{{Name: "edge", State: "backup", Since: now}, {Name: "inner", State: "fault", Reason: "interface eth1 is down", Since: now}}
	return s
}

// TestStatusOfMany: what needs a person first, a line for each pool that is well, and
// no setting that nobody asked for.
func TestStatusOfMany(t *testing.T) {
	socket, _ := daemon(t, farm(200))
	_, out, _ := usher(t, "status", "--control", socket)
	if n := strings.Count(out, "\n"); n > 230 {
		t.Errorf("200 virtual servers take %d lines", n)
	}
	last := 0
	for _, want := range []string{"lb1: a person is needed: pool199: quorum lost (and 1 more warning)", "inner", "interface eth1 is down", "edge", "pool199", "clients are refused", "pool198", "http: connection refused", "\npool0 "} {
		at := strings.Index(out[last:], want)
		if at < 0 {
			t.Fatalf("%q does not come in its turn:\n%s", want, out)
		}
		last += at
	}
	if strings.Contains(out, "ip_forward") {
		t.Error("kernel settings are shown unasked")
	}
	for _, c := range []struct {
		args     []string
		has, not []string
		code     int
	}{
		{[]string{"--problems"}, []string{"inner", "pool199", "pool198"}, []string{"edge", "pool197"}, 1},
		{[]string{"pool3"}, []string{"pool3", "10.0.0.2:80"}, []string{"pool4", "edge", "certificate"}, 1},
		{[]string{"pool0", "edge"}, []string{"pool0", "certificate", "edge"}, []string{"inner", "\npool1"}, 1},
		{[]string{"pool3", "--problems"}, []string{"no instance, virtual server or real server is in trouble"}, []string{"pool3"}, 1},
		{[]string{"--settings", "edge"}, []string{"net/ipv4/ip_forward"}, nil, 1},
		{[]string{"--servers", "pool0", "pool1"}, []string{"pool0", "pool1"}, nil, 1},
		{[]string{"--check"}, []string{"USHER CRITICAL - lb1: a person is needed: pool199: quorum lost (and 1 more warning)\n"}, []string{"pool198"}, 2},
		{[]string{"--json"}, []string{`"verdict"`}, nil, 0},
	} {
		code, out, errs := usher(t, append([]string{"status", "--control", socket}, c.args...)...)
		if code != c.code || errs != "" {
			t.Errorf("%v: status %d, want %d; %s", c.args, code, c.code, errs)
		}
		for _, want := range c.has {
			if !strings.Contains(out, want) {
				t.Errorf("%v lacks %q:\n%s", c.args, want, out)
			}
		}
		for _, not := range c.not {
			if strings.Contains(strings.SplitN(out, "\n", 2)[1], not) {
				t.Errorf("%v has %q:\n%s", c.args, not, out)
			}
		}
	}
	if code, _, errs := usher(t, "status", "nosuch", "--control", socket); code != 1 || !strings.Contains(errs, `no instance, virtual server or announcement is called "nosuch"`) {
		t.Errorf("a name that nothing has: %d %s", code, errs)
	}
	if code, _, errs := usher(t, "events", "--instance", "nosuch", "--control", socket); code != 1 || !strings.Contains(errs, `no instance is called "nosuch"`) {
		t.Errorf("events of a name that nothing has: %d %s", code, errs)
	}
	if code, out, _ := usher(t, "--version"); code != 0 || !strings.HasPrefix(out, "usher ") {
		t.Errorf("--version: %d %s", code, out)
	}
}

// TestStatusCheck: the exit statuses of monitoring plugins.
func TestStatusCheck(t *testing.T) {
	for severity, want := range map[string]struct {
		code int
		line string
	}{
		"":        {0, "USHER OK - lb1: nobody is needed: nothing is configured\n"},
		"warning": {1, "USHER WARNING - lb1: worth a look: x\n"},
		"error":   {2, "USHER CRITICAL - lb1: a person is needed: x\n"},
	} {
		s := api.Status{RouterID: "lb1"}
		if severity != "" {
			s.Warnings = []api.Warning{{Severity: severity, Text: "x"}}
		}
		socket, _ := daemon(t, s)
		if code, out, errs := usher(t, "status", "--check", "--control", socket); code != want.code || out != want.line || errs != "" {
			t.Errorf("%q: status %d, %q; %s", severity, code, out, errs)
		}
	}
	if code, out, errs := usher(t, "status", "--check", "--control", t.TempDir()+"/none"); code != 3 || !strings.HasPrefix(out, "USHER UNKNOWN - no usher answers at ") || errs != "" {
		t.Errorf("without a daemon: status %d, %q; %s", code, out, errs)
	}
}

// TestStatusInMaintenance: an instance that maintenance holds back is shown as that.
func TestStatusInMaintenance(t *testing.T) {
	for maintenance, want := range map[bool]string{true: "edge      maintenance", false: "edge      initialize"} {
		socket, _ := daemon(t, api.Status{RouterID: "lb1", Maintenance: maintenance, Instances: []api.Instance{{Name: "edge", State: "initialize", Since: time.Now()}}})
		if _, out, _ := usher(t, "status", "--control", socket); !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
		if _, out, _ := usher(t, "status", "--json", "--control", socket); !strings.Contains(out, `"state": "initialize"`) {
			t.Errorf("the document's words have changed:\n%s", out)
		}
	}
}
