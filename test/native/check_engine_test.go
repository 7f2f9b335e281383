package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// sixChecks are checks of a server with an IPv6 address.
func sixChecks() string {
	var b strings.Builder
	b.WriteString("global {\n  http = \"\"\n}\n")
	for i, kind := range []string{"ping", "tcp", "http"} {
		fmt.Fprintf(&b, `
virtual_server %q {
  address        = "[fd00:99::%d]:80"
  forward_method = "nat"
  health_check %q {
    interval = "200ms"
    timeout  = "2s"
  }
  real_server "[fd00:60::3]:80" {}
}
`, kind, i+1, kind)
	}
	return b.String()
}

// TestChecksOverIPv6: ping, tcp and http over IPv6 see a server live and its web
// server die.
func TestChecksOverIPv6(t *testing.T) {
	l := suite.New(t, "")
	web, err := l.B.Web(t.Context())
	labtest.Must(t, err)
	check := startCheck(t, l.A, "six.hcl", sixChecks())
	for _, kind := range []string{"ping", "tcp", "http"} {
		awaitSaid(t, check, `"reason":"`+kind+`: passed"`)
	}
	web.Reap()
	for _, kind := range []string{"tcp", "http"} {
		awaitSaid(t, check, kind+": connecting: connection refused: nothing listens on [fd00:60::3]:80 (3 times in a row)")
	}
	for _, v := range verdicts(t, check) {
		if v.Virtual == "ping" && v.State == "down" && v.Reason != "not probed yet" {
			t.Errorf("ping is down too: %s", v.Reason)
		}
	}
	labtest.Must(t, l.Cut(l.B, "eth0"))
	labtest.Must(t, lab.Until(t.Context(), "ping is down", func() error {
		all := verdicts(t, check)
		if last := all[len(all)-1]; last.Virtual != "ping" || last.State != "down" {
			return fmt.Errorf("the last change is %+v", last)
		}
		return nil
	}))
}

// verdict is a line of `usher check --json`.
type verdict struct {
	Virtual string `json:"virtual_server"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// verdicts are the changes that a check's process has told, log lines left out.
func verdicts(t *testing.T, p *lab.Process) (all []verdict) {
	t.Helper()
	for line := range strings.Lines(p.Tail(1000)) {
		var v verdict
		if json.Unmarshal([]byte(line), &v) == nil && v.Virtual != "" {
			all = append(all, v)
		}
	}
	return all
}

// TestStoppedCheckerTakesNobodyDown: a checker that was stopped in its tracks for
// longer than its timeouts, with probes under way, tells of an overload, and takes no
// server down; it finds a death as before.
func TestStoppedCheckerTakesNobodyDown(t *testing.T) {
	l := suite.New(t, "")
	web, err := l.B.Web(t.Context())
	labtest.Must(t, err)
	var b strings.Builder
	b.WriteString("global {\n  http = \"\"\n}\n")
	for i, kind := range []string{"tcp", "http", "tls"} {
		fmt.Fprintf(&b, "virtual_server \"v%d\" {\n  address = \"192.0.2.%d:80\"\n  forward_method = \"nat\"\n", i, i+1)
		fmt.Fprintf(&b, "  health_check %q {\n    interval = \"100ms\"\n    timeout = \"500ms\"\n    rise = 1\n    fall = 1\n  }\n", kind)
		fmt.Fprintf(&b, "  real_server \"%s:80\" {}\n}\n", lab.AddrB)
	}
	check := startCheck(t, l.A, "stop.hcl", b.String())
	ups := []string{`"v0","real_server":"192.168.60.3:80","state":"up"`, `"v1","real_server":"192.168.60.3:80","state":"up"`}
	for _, up := range ups {
		awaitSaid(t, check, up)
	}
	awaitSaid(t, check, "the server does not speak TLS on this port")
	// As long as it takes until it is seen late: probes are due while it is stopped.
	const told = "check_overload"
	for range 20 {
		labtest.Must(t, check.Signal(syscall.SIGSTOP))
		stopped := time.Now()
		labtest.Must(t, lab.Until(t.Context(), "two seconds are over", func() error {
			if left := 2*time.Second - time.Since(stopped); left > 0 {
				return fmt.Errorf("%s are left", left)
			}
			return nil
		}))
		labtest.Must(t, check.Signal(syscall.SIGCONT))
		if strings.Contains(check.Tail(1000), told) {
			break
		}
	}
	awaitSaid(t, check, told)
	for _, v := range verdicts(t, check) {
		if v.State == "down" && v.Virtual != "v2" && v.Reason != "not probed yet" {
			t.Errorf("a server that is well was taken down: %+v", v)
		}
	}
	web.Reap()
	// In words that depend on what its probe was doing: refused, or cut off.
	for _, name := range []string{"v0", "v1"} {
		labtest.Must(t, lab.Until(t.Context(), name+" is told to be down", func() error {
			for _, v := range verdicts(t, check) {
				if v.Virtual == name && v.State == "down" && v.Reason != "not probed yet" {
					return nil
				}
			}
			return errors.New(check.Tail(10))
		}))
	}
}
