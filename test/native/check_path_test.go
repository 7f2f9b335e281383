package native

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// cutPaths are ways in which a server cannot be reached, each with what a check of it
// says over IPv4 and over IPv6, and the server's addresses.
var cutPaths = []struct{ name, four, six, says, saysSix string }{
	{"blackhole", "198.51.100.11", "2001:db8:11::1", "is a blackhole", "is a blackhole"},
	{"prohibit", "198.51.100.12", "2001:db8:12::1", "administratively prohibited", "administratively prohibited"},
	{"unreachable", "198.51.100.13", "2001:db8:13::1", "host unreachable", "host unreachable"},
	{"throw", "198.51.100.14", "2001:db8:14::1", "no route to", "no route to"},
	// ICMP over IPv4 has no error of its own for it.
	{"rejected", "198.51.100.15", "2001:db8:15::1", "host unreachable", "administratively prohibited"},
	{"no answer", "198.51.100.16", "2001:db8:16::1", "no answer within", "no answer within"},
	// TCP takes what its own firewall drops for lost, and asks again.
	{"dropped here", "198.51.100.17", "2001:db8:17::1", "", ""},
}

// TestServerWithoutAWay: whatever stands between a check of any type and its server, be
// it in this machine's own routes or firewall, or told by a router in ICMP, the server
// is down. It began as up, and a probe that is said to tell nothing would leave it so.
func TestServerWithoutAWay(t *testing.T) {
	l := suite.New(t, "")
	for _, n := range l.Directors() {
		labtest.Must(t, n.Sysctl("net.ipv4.icmp_ratelimit", "0"))
		labtest.Must(t, n.Sysctl("net.ipv6.icmp.ratelimit", "0"))
	}
	var here, there strings.Builder
	here.WriteString("add table inet cut; add chain inet cut out { type filter hook output priority 0; };")
	there.WriteString("add table inet cut; add chain inet cut in { type filter hook input priority 0; };")
	for _, cut := range cutPaths {
		for _, to := range []struct{ address, family, via, bits string }{{cut.four, "ip", lab.AddrB.String(), "/32"}, {cut.six, "ip6", "fd00:60::3", "/128"}} {
			switch cut.name {
			case "blackhole", "prohibit", "unreachable", "throw":
				labtest.Run(t, l.A, "ip", "route", "add", cut.name, to.address+to.bits)
				continue
			}
			labtest.Run(t, l.B, "ip", "addr", "add", to.address+to.bits, "dev", "lo")
			labtest.Run(t, l.A, "ip", "route", "add", to.address+to.bits, "via", to.via)
			switch cut.name {
			case "rejected":
				fmt.Fprintf(&there, "add rule inet cut in %s daddr %s reject with icmpx type admin-prohibited;", to.family, to.address)
			case "no answer":
				fmt.Fprintf(&there, "add rule inet cut in %s daddr %s drop;", to.family, to.address)
			case "dropped here":
				fmt.Fprintf(&here, "add rule inet cut out %s daddr %s drop;", to.family, to.address)
			}
		}
	}
	labtest.Run(t, l.A, "nft", here.String())
	labtest.Run(t, l.B, "nft", there.String())
	want := map[string]string{}
	var b strings.Builder
	b.WriteString("global {\n  http = \"\"\n}\n")
	for _, kind := range wayTypes {
		port, keys := "port = 7", kind.keys
		switch kind.kind {
		case "agent": // one that cannot be reached says nothing
			continue
		case "ping":
			port = ""
		case "udp":
			keys = "require_reply = true"
		}
		for _, cut := range cutPaths {
			for _, to := range []struct{ vip, address, says string }{{"192.0.2.1", cut.four, cut.says}, {"2001:db8::1", cut.six, cut.saysSix}} {
				name := fmt.Sprintf("%s to %s, %s", kind.name, to.address, cut.name)
				want[name] = to.says
				fmt.Fprintf(&b, `
virtual_server %q {
  address        = %q
  forward_method = "fullnat"
  initial        = "up"
  health_check %q {
    timeout = "5s"
    %s
    %s
  }
  real_server %q {}
}
`, name, net.JoinHostPort(to.vip, strconv.Itoa(len(want))), kind.kind, port, keys, net.JoinHostPort(to.address, "80"))
			}
		}
	}
	check := startCheck(t, l.A, "path.hcl", b.String())
	labtest.Must(t, lab.Until(t.Context(), "each server without a way is down", func() error {
		said := map[string]verdict{}
		for _, v := range verdicts(t, check) {
			said[v.Virtual] = v
		}
		for name, words := range want {
			if v := said[name]; v.State != "down" || !strings.Contains(v.Reason, words) {
				return fmt.Errorf("%s is %q and says %q, not %q", name, v.State, v.Reason, words)
			}
		}
		return nil
	}))
}
