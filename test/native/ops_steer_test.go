package native

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// usher runs a command on a node and returns what it printed.
func usher(t *testing.T, n *lab.Node, args ...string) string {
	t.Helper()
	out, err := n.Usher(t.Context(), args...)
	labtest.Must(t, err)
	return out
}

// TestFailover: the peer takes over in its skew time, and the one that handed over
// stays back until it is active again by a failover of the other.
func TestFailover(t *testing.T) {
	l, _, _ := pair(t)
	within(t, skew, "takeover after usher failover", func() error {
		usher(t, l.A, "failover", "web")
		return l.B.AwaitVIP(t.Context(), true)
	})
	labtest.Await(t, l.B, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	if out := usher(t, l.A, "events"); !strings.Contains(out, "web: failover: asked for by root") {
		t.Errorf("the events do not say who asked:\n%s", out)
	}
	out, err := l.A.Usher(t.Context(), "failover", "wep")
	if err == nil || !strings.Contains(out, `there is no instance "wep"; there is web`) {
		t.Errorf("a wrong name: %v, %s", err, out)
	}
}

// TestMaintenance: the peer takes over, and the one in maintenance stays back,
// though it is the better one and is started anew, until maintenance ends.
func TestMaintenance(t *testing.T) {
	l, a, _ := pair(t)
	usher(t, l.A, "maintenance", "on") // which the disk has to have first
	within(t, skew, "takeover after usher maintenance on", func() error { return l.B.AwaitVIP(t.Context(), true) })
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	labtest.Must(t, a.Stop())
	run(t, l.A, 150)
	if out := usher(t, l.A, "status", "--json"); !strings.Contains(out, `"maintenance": true`) {
		t.Errorf("after a restart:\n%s", out)
	}
	if state := l.A.State(t.Context(), "web"); state == "active" {
		t.Error("active in maintenance")
	}
	usher(t, l.A, "maintenance", "off")
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
}

// TestReload: by command and by SIGHUP; a bad file changes nothing and is told; the
// instance that did not change stays active through it all.
func TestReload(t *testing.T) {
	l := suite.New(t, "")
	p := run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	before, err := l.A.Status(t.Context())
	labtest.Must(t, err)

	labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 300))
	out, err := l.A.Usher(t.Context(), "reload")
	if err == nil || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "priority          = 300") {
		t.Errorf("a bad file: %v\n%s", err, out)
	}
	if out := usher(t, l.A, "status", "--json"); !strings.Contains(out, "the last reload failed") {
		t.Errorf("status does not tell of it:\n%s", out)
	}

	second := strings.NewReplacer(`"web"`, `"more"`, "= 51", "= 52", ".200/", ".201/").Replace(fmt.Sprintf(router, 90))
	labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 150)+second)
	labtest.Must(t, p.Signal(syscall.SIGHUP))
	labtest.Await(t, l.A, "more", "active")
	after, err := l.A.Status(t.Context())
	labtest.Must(t, err)
	if after.Instances[0].Transitions != before.Instances[0].Transitions || !after.Instances[0].Since.Equal(before.Instances[0].Since) {
		t.Errorf("the other instance was disturbed: %+v, before %+v", after.Instances[0], before.Instances[0])
	}

	labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 150))
	usher(t, l.A, "reload")
	held, err := l.A.Holds("192.168.60.201")
	labtest.Must(t, err)
	if held {
		t.Error("the address of the instance that went is still there")
	}
	if state := l.A.State(t.Context(), "more"); state != "" {
		t.Errorf("the instance that went is %s", state)
	}
}

// TestWithdraw: a daemon that was killed without a lease on its address leaves it;
// the service manager's ExecStopPost takes it away, but not from a living one.
func TestWithdraw(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", strings.Replace(fmt.Sprintf(router, 150), "  priority", "  lease = \"0s\"\n  priority", 1))
	p := labtest.Start(t, l.A, "-c", file)
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	if out, err := l.A.Usher(t.Context(), "withdraw"); err == nil || !strings.Contains(out, "stop it first") {
		t.Errorf("withdraw under a living daemon: %v, %s", err, out)
	}
	p.Reap() // every process of it, at once
	if held, err := l.A.Holds(lab.VIP.String()); err != nil || !held {
		t.Fatalf("the killed daemon left nothing to withdraw: %t, %v", held, err)
	}
	if out := usher(t, l.A, "withdraw"); !strings.Contains(out, "removed") {
		t.Errorf("withdraw says %q", out)
	}
	if held, err := l.A.Holds(lab.VIP.String()); err != nil || held {
		t.Errorf("after withdraw the address is there: %t, %v", held, err)
	}
}

// TestOtherPeoplesClients: curl over the socket and the network, jq on --json,
// promtool on the metrics of a running daemon.
func TestOtherPeoplesClients(t *testing.T) {
	l, _, _ := pair(t)
	shell := func(script string) string {
		t.Helper()
		code, out, err := l.A.Shell(t.Context(), script)
		labtest.Must(t, err)
		if code != 0 {
			t.Errorf("%s: status %d\n%s", script, code, out)
		}
		return strings.TrimSpace(out)
	}
	for script, want := range map[string]string{
		`usher status --json | jq -er '.instances[] | "\(.name) \(.state) \(.priority)"'`:                                                  "web active 150",
		`curl -sf --unix-socket /run/usher/usher.sock http://usher/api/v1/status | jq -er .instances[0].addresses[0]`:                      "192.168.60.200/32",
		`curl -sf http://127.0.0.1:9765/healthz`:                                                                                           "ok",
		`curl -s -o /dev/null -w '%{http_code}' -X POST http://127.0.0.1:9765/api/v1/reload`:                                               "403",
		`curl -sf http://127.0.0.1:9765/metrics | grep -c 'usher_vrrp_state{instance="web",state="active"} 1'`:                             "1",
		`curl -sf http://127.0.0.1:9765/api/v1/openapi.json | jq -er .openapi`:                                                             "3.1.0",
		`usher events --json --instance web | jq -ers 'map(select(.kind == "state")) | last | "\(.from) \(.to)"'`:                          "backup active",
		`stat -c %a /run/usher/usher.sock`:                                                                                                 "660",
		`(curl -sN -m 1 -H 'Accept: text/event-stream' http://127.0.0.1:9765/api/v1/events || true) | grep -q '^event: event' && echo yes`: "yes",
	} {
		if got := shell(script); got != want {
			t.Errorf("%s\nprints %q, want %q", script, got, want)
		}
	}
	if out := shell(`curl -sf http://127.0.0.1:9765/metrics | promtool check metrics 2>&1 || true`); out != "" {
		t.Errorf("promtool check metrics: %s", out)
	}
}

// TestRemoteSteering: with a certificate of the given authority everything can be
// done from afar, without one nothing at all.
func TestRemoteSteering(t *testing.T) {
	l := suite.New(t, "")
	certificates := `
cd "` + l.A.Dir + `"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
for who in server client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$who -keyout $who.key -out $who.csr 2>/dev/null
  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out $who.pem -extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null
done`
	code, out, err := l.A.Shell(t.Context(), certificates)
	labtest.Must(t, err)
	if code != 0 {
		t.Fatalf("openssl: %s", out)
	}
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(`
global {
  remote {
    listen         = "127.0.0.1:9766"
    cert_file      = "%[1]s/server.pem"
    key_file       = "%[1]s/server.key"
    client_ca_file = "%[1]s/ca.pem"
  }
}`, l.A.Dir)+fmt.Sprintf(router, 150))
	labtest.Start(t, l.A, "-c", file)
	labtest.Await(t, l.A, "web", "active")
	cert := fmt.Sprintf(" --remote https://127.0.0.1:9766 --ca %[1]s/ca.pem --cert %[1]s/client.pem --key %[1]s/client.key", l.A.Dir)
	code, out, err = l.A.Shell(t.Context(), "usher status --json"+cert+" | jq -er .instances[0].state; usher maintenance on --force"+cert)
	labtest.Must(t, err)
	if code != 0 || !strings.HasPrefix(out, "active\nmaintenance on") {
		t.Errorf("with a certificate: %d, %s", code, out)
	}
	labtest.Must(t, lab.Until(t.Context(), "maintenance takes hold", func() error {
		if s := l.A.State(t.Context(), "web"); s == "active" {
			return fmt.Errorf("it is %s", s)
		}
		return nil
	}))
	if out := usher(t, l.A, "events"); !strings.Contains(out, "asked for by certificate CN=client") {
		t.Errorf("the events do not say who asked:\n%s", out)
	}
	code, out, err = l.A.Shell(t.Context(), fmt.Sprintf("curl -s --cacert %s/ca.pem https://127.0.0.1:9766/api/v1/status", l.A.Dir))
	labtest.Must(t, err)
	if code == 0 || strings.Contains(out, "router_id") {
		t.Errorf("without a certificate: %d, %s", code, out)
	}
}

// TestWatchAndLastGood: a changed file is taken up without being asked for; files
// that are broken at the start do not keep the addresses from their place.
func TestWatchAndLastGood(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 150))
	p := labtest.Start(t, l.A, "-c", file, "--watch")
	labtest.Await(t, l.A, "web", "active")
	labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 140))
	labtest.Must(t, lab.Until(t.Context(), "the new priority is there", func() error {
		s, err := l.A.Status(t.Context())
		if err == nil && s.Instances[0].Priority != 140 {
			err = fmt.Errorf("it is %d", s.Instances[0].Priority)
		}
		return err
	}))
	labtest.Must(t, p.Stop())

	labtest.Must(t, os.WriteFile(filepath.Join(l.A.Dir, "usher.hcl"), []byte("vrrp_instance {"), 0o600))
	labtest.Start(t, l.A, "-c", file, "--last-good")
	labtest.Await(t, l.A, "web", "active")
	var s struct {
		Warnings []struct{ Kind, Text string }
	}
	labtest.Must(t, json.Unmarshal([]byte(usher(t, l.A, "status", "--json")), &s))
	if len(s.Warnings) != 1 || s.Warnings[0].Kind != "reload" || !strings.Contains(s.Warnings[0].Text, "last good configuration runs") {
		t.Errorf("warnings: %+v", s.Warnings)
	}
}
