package ipvs

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// changeConfig is a service of servers by a forward method each, all of which drain
// for long.
func changeConfig(name, protocol string, forward ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server %q {\n  address = %q\n  protocol = %q\n  scheduler = \"rr\"\n  drain_timeout = \"10m\"\n", name, operatorVIP, protocol)
	for i, f := range forward {
		fmt.Fprintf(&b, "  real_server \"%s:8000\" { forward_method = %q }\n", lab.RIPs[i], f)
	}
	return b.String() + "}\n"
}

// A connection goes on by the forward method with which it began, whatever reloads make
// of its service: another method, name, or protocol. And servers of one service may
// differ in their method.
func TestDirectorChangesOfForwardMethod(t *testing.T) {
	l := suite.New(t, "dr")
	prepare := labtest.File(t, l.A, "prepare.hcl", changeConfig("web", "tcp", "tun", "tun", "tun"))
	for _, n := range l.Real {
		answerTCP(t, n, 8000)
		labtest.Must(t, n.HoldVIP(t.Context(), prepare))
	}
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.240/32", "dev", "eth0"))
	file := labtest.File(t, l.A, "usher.hcl", "global {\n  ipvs { conntrack = true }\n}\n"+changeConfig("web", "tcp", "dr"))
	p := labtest.Start(t, l.A, "-c", file)
	var open []net.Conn
	opened := func() {
		t.Helper()
		_, c, err := connect(l.Client, netip.Addr{}, operatorVIP)
		labtest.Must(t, err)
		t.Cleanup(func() { c.Close() })
		open = append(open, c)
	}
	opened()
	for _, change := range []struct{ name, protocol, forward string }{
		{"web", "tcp", "fullnat"}, {"web", "tcp", "tun"}, {"renamed", "tcp", "fullnat"}, {"renamed", "tcp", "dr"}, {"renamed", "udp", "dr"},
	} {
		labtest.File(t, l.A, "usher.hcl", changeConfig(change.name, change.protocol, change.forward))
		_, err := l.A.Usher(t.Context(), "reload")
		labtest.Must(t, err)
		for i, c := range open {
			echo(t, c, fmt.Sprintf("connection %d after the reload to %v", i, change))
		}
		if change.protocol == "tcp" {
			opened()
		}
	}
	for _, c := range open {
		c.Close()
	}

	labtest.File(t, l.A, "usher.hcl", changeConfig("web", "tcp", "fullnat", "dr", "tun"))
	_, err := l.A.Usher(t.Context(), "reload")
	labtest.Must(t, err)
	if got := names(t, l.Client, netip.Addr{}, operatorVIP, 6); fmt.Sprint(got) != evenly(2) {
		t.Errorf("servers by different methods: %v", got)
	}
	labtest.Must(t, p.Stop())
	if left := labtest.Run(t, l.A, "nft", "list", "tables"); strings.Contains(left, "usher") {
		t.Errorf("after the stop there is %s", left)
	}
}
