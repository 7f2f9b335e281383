package native

import (
	"fmt"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// far is an address of B to which A has a route for some packets only: those with
// mark 7, from 192.168.60.77, from ports 2000 to 2100, or of sockets bound to eth0.
const far = "198.51.100.9"

// wayTypes are the checks that send something, with the keys that they need.
var wayTypes = []struct{ name, kind, keys string }{
	{"tcp", "tcp", ""},
	{"talk", "tcp", `expect = "x"`},
	{"http", "http", ""},
	{"http2", "http", `http_version = "2"`},
	{"https", "https", ""},
	{"tls", "tls", ""},
	{"udp", "udp", ""},
	{"dns", "dns", ""},
	{"dnstcp", "dns", "tcp = true"},
	{"smtp", "smtp", ""},
	{"ping", "ping", ""},
	{"grpc", "grpc", ""},
	{"mysql", "mysql", ""},
	{"postgres", "postgres", ""},
	{"redis", "redis", ""},
	{"agent", "agent", ""},
}

// wayKeys are the ways that a probe may be told to take; none is "".
var wayKeys = map[string]string{
	"none":      "",
	"mark":      "mark = 7",
	"address":   `bind_address = "192.168.60.77"`,
	"port":      "bind_port = %d",
	"interface": `interface = "eth0"`,
}

// TestWayOfEveryCheck: every type of check takes the way that it is told by mark,
// source address, source port and interface, to the port that it is told; without,
// there is no route.
func TestWayOfEveryCheck(t *testing.T) {
	l := suite.New(t, "")
	labtest.Run(t, l.B, "ip", "addr", "add", far+"/32", "dev", "lo")
	labtest.Must(t, l.B.Sysctl("net.ipv4.icmp_ratelimit", "0"))
	labtest.Run(t, l.A, "ip", "addr", "add", "192.168.60.77/24", "dev", "eth0")
	labtest.Run(t, l.A, "ip", "route", "add", far, "via", lab.AddrB.String(), "table", "100")
	for _, rule := range []string{"fwmark 7", "from 192.168.60.77", "sport 2000-2100", "oif eth0"} {
		labtest.Run(t, l.A, append(append([]string{"ip", "rule", "add"}, strings.Fields(rule)...), "table", "100")...)
	}
	want := map[string]string{}
	var b strings.Builder
	b.WriteString("global {\n  http = \"\"\n}\n")
	for i, kind := range wayTypes {
		for way, key := range wayKeys {
			name := kind.name + " by " + way
			to := fmt.Sprintf("connection refused: nothing listens on %s:7", far)
			port := "port = 7"
			if kind.kind == "ping" {
				if way == "port" {
					continue
				}
				port, to = "", "passed"
			}
			if way == "none" {
				to = "no route to " + far
			}
			want[name] = to
			if way == "port" {
				key = fmt.Sprintf(key, 2000+i)
			}
			fmt.Fprintf(&b, `
virtual_server %q {
  address        = "192.0.2.1:%d"
  forward_method = "nat"
  health_check %q {
    timeout = "20s"
    %s
    %s
    %s
  }
  real_server "%s:80" {}
}
`, name, len(want), kind.kind, port, kind.keys, key, far)
		}
	}
	// BFD's own: two ushers, of which one needs its mark.
	want["bfd"] = "the session with " + far + " is up"
	fmt.Fprintf(&b, "virtual_server \"bfd\" {\n  address = \"192.0.2.2:80\"\n  forward_method = \"nat\"\n  health_check \"bfd\" { mark = 7 }\n  real_server \"%s:80\" {}\n}\n", far)
	startCheck(t, l.B, "bfd.hcl", strings.Replace(fmt.Sprintf(bfdCheck, "10.9.9.9", lab.AddrA), "interface  = \"eth0\"", fmt.Sprintf("source = %q", far), 1))
	check := startCheck(t, l.A, "way.hcl", b.String())
	labtest.Must(t, lab.Until(t.Context(), "each probe's way is told", func() error {
		said := map[string]string{}
		for _, v := range verdicts(t, check) {
			said[v.Virtual] = v.Reason
		}
		for name, words := range want {
			if !strings.Contains(said[name], words) {
				return fmt.Errorf("%s says %q, not %q", name, said[name], words)
			}
		}
		return nil
	}))
}
