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

// evenly is n answers of each server.
func evenly(n int) string { return fmt.Sprint(map[string]int{"rs1": n, "rs2": n, "rs3": n}) }

// listed waits until ipvsadm -Lcn shows something. One look is not enough: the
// kernel hands its table over in parts and counts where it was, so that each
// connection that expires in between hides one that goes on.
func listed(t *testing.T, n *lab.Node, what string, there func(shown string) bool, args ...string) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), "ipvsadm -Lcn shows "+what, func() error {
		if shown := labtest.Run(t, n, append([]string{"ipvsadm", "-Lcn"}, args...)...); !there(shown) {
			return fmt.Errorf("it shows\n%s", shown)
		}
		return nil
	}))
}

// Clients of one network stay with one server on every port, those of the next
// network with another.
func persistence(t *testing.T, l *lab.Lab) {
	first, c, err := connect(l.Client, lab.ClientAddr(0), "192.168.60.224:8000")
	labtest.Must(t, err)
	c.Close()
	for i, port := range []int{8000, 8001, 8002} {
		// .105, .108 and .111 are in 192.168.60.96/28 as .100 is.
		if got := names(t, l.Client, lab.ClientAddr(5+3*i), fmt.Sprintf("192.168.60.224:%d", port), 2); got[first] != 2 {
			t.Errorf("port %d: %v, want %s", port, got, first)
		}
	}
	if got := names(t, l.Client, lab.ClientAddr(12), "192.168.60.224:8000", 2); got[first] != 0 {
		t.Errorf("another network: %v", got)
	}
	listed(t, l.A, "templates of both networks", func(shown string) bool {
		return strings.Contains(shown, "192.168.60.96:0") && strings.Contains(shown, "192.168.60.112:0")
	})
}

// The networks of IPv6 are as long as their prefix.
func persistence6(t *testing.T, l *lab.Lab) {
	for _, a := range []string{"fd00:60::103/64", "fd00:60::1:100/64"} {
		labtest.Must(t, l.Client.IP(t.Context(), "address", "add", a, "dev", "eth0", "nodad"))
	}
	first, c, err := connect(l.Client, netip.MustParseAddr("fd00:60::100"), "[fd00:60::230]:8000")
	labtest.Must(t, err)
	c.Close()
	if got := names(t, l.Client, netip.MustParseAddr("fd00:60::103"), "[fd00:60::230]:8001", 3); got[first] != 3 {
		t.Errorf("of one network: %v, want %s", got, first)
	}
	if got := names(t, l.Client, netip.MustParseAddr("fd00:60::1:100"), "[fd00:60::230]:8000", 3); got[first] != 0 {
		t.Errorf("another network: %v", got)
	}
}

// One-packet scheduling: the datagrams of one port go to every server.
func oneByOne(t *testing.T, l *lab.Lab) {
	if got := datagrams(t, l.Client, lab.ClientAddr(0), "192.168.60.225:8000", "?", 6); fmt.Sprint(got) != evenly(2) {
		t.Error(got)
	}
}

// A call stays with its server, whichever address its messages come from.
func phone(t *testing.T, l *lab.Lab, vip string) {
	t.Helper()
	message := func(call string) string {
		return "INVITE sip:bob@example.org SIP/2.0\r\nCall-ID: " + call + "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	}
	of := func(client int, call string) string {
		for answer := range datagrams(t, l.Client, lab.ClientAddr(client), vip, message(call), 1) {
			line, _, _ := strings.Cut(answer, "\r\n")
			return strings.TrimPrefix(line, "SIP/2.0 200 ")
		}
		return ""
	}
	one, two := of(0, "call-1"), of(0, "call-2")
	if one == two {
		t.Errorf("both calls from one address are with %s", one)
	}
	for client := range 4 { // by a port of its own each time
		if got := of(client, "call-1"); got != one {
			t.Errorf("the call of %s came to %s from address %d", one, got, client)
		}
	}
	listed(t, l.A, "the call of "+vip, func(shown string) bool {
		for line := range strings.Lines(shown) {
			if strings.Contains(line, vip) && strings.Contains(line, "sip") && strings.Contains(line, "call-1") {
				return true
			}
		}
		return false
	}, "--persistent-conn")
}

// Associations go round as connections do.
func associations(t *testing.T, l *lab.Lab, vip string) {
	t.Helper()
	count := map[string]int{}
	for i := range 6 {
		name, err := associate(l.Client, netip.AddrPortFrom(lab.ClientAddr(i), 0), netip.MustParseAddrPort(vip))
		labtest.Must(t, err)
		count[name]++
	}
	if fmt.Sprint(count) != evenly(2) {
		t.Error(count)
	}
	listed(t, l.A, "six associations", func(shown string) bool { return strings.Count(shown, "SCTP") >= 6 })
}

// A server at its upper threshold gets nothing more, and below the lower one it
// does again.
func thresholds(t *testing.T, l *lab.Lab) {
	const vip = "192.168.60.228:8000"
	count := map[string]int{}
	var open []net.Conn
	for range 6 {
		name, c, err := connect(l.Client, netip.Addr{}, vip)
		labtest.Must(t, err)
		open = append(open, c)
		count[name]++
	}
	if count["rs1"] != 2 || count["rs2"] != 4 {
		t.Errorf("%v, want rs1 with 2 of 6", count)
	}
	for _, c := range open {
		c.Close()
	}
	labtest.Must(t, lab.Until(t.Context(), "rs1 takes connections again", func() error {
		if got := names(t, l.Client, netip.Addr{}, vip, 2); got["rs1"] == 0 {
			return fmt.Errorf("they go to %v", got)
		}
		return nil
	}))
}

// The schedulers that hash, with and without their flags: see hashed.
func hashes(t *testing.T, l *lab.Lab) {
	for i, several := range []bool{true, false, true, false} {
		vip := fmt.Sprintf("192.168.60.230:82%02d", i)
		if got := names(t, l.Client, lab.ClientAddr(0), vip, 20); (len(got) > 1) != several {
			t.Errorf("service %d: connections of one address go to %v", i, got)
		}
	}
	for i := 4; i < 6; i++ {
		vip := fmt.Sprintf("192.168.60.230:82%02d", i)
		for client := range 10 {
			if got := names(t, l.Client, lab.ClientAddr(client), vip, 1); got["rs1"] != 0 || len(got) != 1 {
				t.Errorf("service %d, client %d: rs1 has weight 0, answers of %v", i, client, got)
			}
		}
	}
}
