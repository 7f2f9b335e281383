package native

import (
	"fmt"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// start runs a router of that priority with more in its instance.
func start(t *testing.T, n *lab.Node, priority int, more string) *lab.Process {
	t.Helper()
	text := strings.TrimRight(fmt.Sprintf(router, priority), "}\n") + "\n" + more + "\n}\n"
	return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", text))
}

// reach pings the VIP from the client until it answers.
func reach(t *testing.T, l *lab.Lab, address string) {
	t.Helper()
	labtest.Must(t, untilOutput(t, l.Client, address+" answers", func(out string) bool { return strings.Contains(out, "1 received") },
		"sh", "-c", "ping -c 1 -W 1 "+address+" || true"))
}

// neighbour is what the client knows of an address.
func neighbour(t *testing.T, l *lab.Lab, address string) string {
	t.Helper()
	return labtest.Run(t, l.Client, "ip", "neigh", "show", address)
}

const virtualMAC = `
  virtual_mac = true
  virtual_address "fe80::60:200/64" {}
  virtual_address "fd00:60::200/64" {}
`

// RFC 9568 section 7.3 and 8.1.2: the client has the virtual MAC for the address,
// of either family, and the same one after a failover; the machine is as it was
// after the end.
func TestVirtualMAC(t *testing.T) {
	l := suite.New(t, "nat")
	before := labtest.Run(t, l.A, "sysctl", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce")
	a := start(t, l.A, 150, virtualMAC)
	labtest.Await(t, l.A, "web", "active")
	start(t, l.B, 100, virtualMAC)
	addresses := map[string]string{lab.VIP.String(): "00:00:5e:00:01:33", "fd00:60::200": "00:00:5e:00:02:33"}
	check := func(when string) {
		t.Helper()
		for address, mac := range addresses {
			reach(t, l, address)
			if n := neighbour(t, l, address); !strings.Contains(n, mac) {
				t.Errorf("%s the client has %q for %s; want %s", when, strings.TrimSpace(n), address, mac)
			}
		}
	}
	if links := labtest.Run(t, l.A, "ip", "-o", "-d", "link", "show", "type", "macvlan"); strings.Count(links, "mode private") != len(addresses) {
		t.Errorf("macvlans: %s", links)
	}
	check("before the failover")
	// Somebody who asks anew gets the virtual MAC as well.
	labtest.Run(t, l.Client, "ip", "neigh", "flush", "all")
	check("after asking anew")
	labtest.Must(t, a.Stop())
	labtest.Await(t, l.B, "web", "active")
	check("after the failover")
	if links := labtest.Run(t, l.A, "ip", "-o", "link", "show", "type", "macvlan"); links != "" {
		t.Errorf("left behind: %s", links)
	}
	if after := labtest.Run(t, l.A, "sysctl", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce"); after != before {
		t.Errorf("settings are %q; they were %q", after, before)
	}
}

// RFC 9568 section 6.1, Accept_Mode: packets to the address are not delivered, but
// neighbours find it; addresses of the router itself are not concerned.
func TestAcceptFalse(t *testing.T) {
	l := suite.New(t, "nat")
	a := start(t, l.A, 150, "accept = false\n  virtual_address \"fe80::60:200/64\" {}\n  virtual_address \"fd00:60::200/64\" {}")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	reach(t, l, lab.AddrA.String())
	for _, address := range []string{lab.VIP.String(), "fd00:60::200"} {
		out := labtest.Run(t, l.Client, "sh", "-c", "ping -c 2 -i 0.2 -W 1 "+address+" || true")
		if !strings.Contains(out, " 0 received") {
			t.Errorf("%s answers:\n%s", address, out)
		}
		if n := neighbour(t, l, address); !strings.Contains(n, "lladdr") {
			t.Errorf("the neighbour %s is not found: %q", address, n)
		}
	}
	labtest.Must(t, a.Stop())
	if tables := labtest.Run(t, l.A, "nft", "list", "tables"); strings.Contains(tables, "usher") {
		t.Errorf("left behind: %s", tables)
	}
}

// bind = "local_route": the address is local, answers, and is on no interface.
func TestLocalRoute(t *testing.T) {
	l := suite.New(t, "nat")
	a := start(t, l.A, 150, "bind = \"local_route\"\n  virtual_address \"fe80::60:200/128\" {}\n  virtual_address \"fd00:60::200/128\" {}")
	labtest.Await(t, l.A, "web", "active")
	reach(t, l, lab.VIP.String())
	reach(t, l, "fd00:60::200")
	if held, err := l.A.Holds(lab.VIP.String()); held || err != nil {
		t.Errorf("on an interface: %t, %v", held, err)
	}
	labtest.Must(t, a.Stop())
	if routes := labtest.Run(t, l.A, "ip", "route", "show", "table", "local"); strings.Contains(routes, lab.VIP.String()) {
		t.Errorf("left behind: %s", routes)
	}
}

const routing = `
  virtual_address "10.1.0.200/32" {
    interface = "eth1"
    label     = "eth1:vip"
    scope     = "site"
    excluded  = true
  }
  virtual_route "203.0.113.0/24" {
    via    = "10.1.0.3"
    source = "10.1.0.200"
  }
  virtual_route "198.51.100.0/24" {
    type  = "blackhole"
    table = 100
  }
  virtual_rule {
    from     = "192.168.60.200/32"
    table    = 100
    priority = 1000
  }
`

// Attributes of addresses, routes and rules: there while active, put back when
// somebody removes them, gone afterwards.
func TestRoutesRulesAndAttributes(t *testing.T) {
	l := suite.New(t, "")
	a := start(t, l.A, 150, routing)
	labtest.Await(t, l.A, "web", "active")
	show := func(args ...string) string { return labtest.Run(t, l.A, append([]string{"ip"}, args...)...) }
	wants := []struct {
		args []string
		want string
	}{
		{[]string{"address", "show", "dev", "eth1"}, "10.1.0.200/32 scope site dynamic eth1:vip"},
		{[]string{"route", "show", "203.0.113.0/24"}, "via 10.1.0.3 dev eth1"},
		{[]string{"route", "show", "table", "100"}, "blackhole 198.51.100.0/24"},
		{[]string{"rule", "show"}, "1000:\tfrom 192.168.60.200 lookup 100"},
	}
	all := func(there bool) error {
		for _, w := range wants {
			if out := show(w.args...); strings.Contains(out, w.want) != there {
				return fmt.Errorf("ip %s: %q: %t; want %t in %q", strings.Join(w.args, " "), w.want, !there, there, out)
			}
		}
		return nil
	}
	there := func() error { return all(true) }
	labtest.Must(t, lab.Until(t.Context(), "everything is there", there))
	// A removed address takes the route with it whose source it is.
	show("address", "del", "10.1.0.200/32", "dev", "eth1")
	show("rule", "del", "priority", "1000")
	labtest.Must(t, lab.Until(t.Context(), "everything is back", there))
	labtest.Must(t, a.Stop())
	labtest.Must(t, all(false))
}

// A lease that changes at a reload takes effect in place.
func TestLeaseChangesInPlace(t *testing.T) {
	l := suite.New(t, "")
	start(t, l.A, 150, "")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	show := func() string { return labtest.Run(t, l.A, "ip", "address", "show", "to", lab.VIP.String()) }
	if out := show(); !strings.Contains(out, "valid_lft 2sec") && !strings.Contains(out, "valid_lft 1sec") {
		t.Errorf("no lease of 2 s: %s", out)
	}
	text := strings.Replace(fmt.Sprintf(router, 150), "priority ", "lease = \"0s\"\n  priority ", 1)
	labtest.File(t, l.A, "usher.hcl", text)
	_, err := l.A.Usher(t.Context(), "reload")
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "the lease is lifted", func() error {
		if out := show(); !strings.Contains(out, "valid_lft forever") {
			return fmt.Errorf("it is %s", out)
		}
		return nil
	}))
}
