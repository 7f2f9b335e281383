package ipvs

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"usher/director/engine"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// Full NAT works where real servers know no way but to the director's own
// network, and leaves nothing behind.
func TestDirectorFullNAT(t *testing.T) {
	s := single(t, "fullnat")
	s.everyServerAnswers(t)
	s.expectTable(t, s.A)
	if got := strings.TrimSpace(labtest.Run(t, s.A, "sysctl", "-n", "net.ipv4.vs.conntrack")); got != "1" {
		t.Errorf("net.ipv4.vs.conntrack is %s", got)
	}
	rules := labtest.Run(t, s.A, "nft", "list", "table", "inet", "usher_fullnat")
	for _, want := range []string{"192.168.60.200 . tcp . 9376 : ", "masquerade"} {
		if !strings.Contains(rules, want) {
			t.Errorf("the rules lack %q:\n%s", want, rules)
		}
	}
	// The kernel tells: nobody waits for the comparison of the whole table.
	soon, cancel := context.WithTimeout(t.Context(), engine.DefaultResync/2)
	defer cancel()
	labtest.Run(t, s.A, "nft", "delete", "table", "inet", "usher_fullnat")
	labtest.Must(t, lab.Until(soon, "the rules are back", func() error {
		_, err := s.A.Output(soon, "nft", "list", "table", "inet", "usher_fullnat")
		return err
	}))
	labtest.Must(t, lab.Until(t.Context(), "the repair is told", func() error {
		events, err := s.A.Usher(t.Context(), "events", "--json")
		if err == nil && !strings.Contains(events, "drift_repaired") {
			err = errors.New(events)
		}
		return err
	}))
	labtest.Must(t, s.a.Stop())
	if left := labtest.Run(t, s.A, "nft", "list", "tables"); strings.Contains(left, "usher") {
		t.Errorf("after the stop there is %s", left)
	}
	if got := strings.TrimSpace(labtest.Run(t, s.A, "sysctl", "-n", "net.ipv4.vs.conntrack")); got != "0" {
		t.Errorf("after the stop net.ipv4.vs.conntrack is %s", got)
	}
}

const fullnatPool = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 150
  virtual_addresses = ["192.168.60.200/32"]
}
virtual_server "web" {
  address        = "192.168.60.200:9376"
  forward_method = "fullnat"
  scheduler      = "rr"
  snat_addresses = ["10.1.200.0/30", "10.1.201.1"]
  real_server "10.1.2.3:80" {}
}
virtual_server "other" {
  address        = "192.168.60.200:9377"
  forward_method = "fullnat"
  scheduler      = "rr"
  real_server "10.1.4.5:80" {}
}
virtual_server "six" {
  address        = "[fd00:60::200]:9376"
  forward_method = "fullnat"
  scheduler      = "rr"
  snat_addresses = ["fd00:10::200:0/127"]
  real_server "[fd00:10::13]:80" {}
}
virtual_server "datagrams" {
  address        = "192.168.60.200:9376"
  protocol       = "udp"
  forward_method = "fullnat"
  scheduler      = "rr"
  real_server "10.1.4.5:8000" {}
}
virtual_server "sctp" {
  address        = "192.168.60.200:9376"
  protocol       = "sctp"
  forward_method = "fullnat"
  scheduler      = "rr"
  real_server "10.1.3.8:8000" {}
}
`

// Several services at once, with local addresses of their own, of both families and
// of every protocol.
func TestDirectorFullNATPool(t *testing.T) {
	s := prepared(t, "fullnat")
	s.file = labtest.File(t, s.A, "usher.hcl", fullnatPool)
	// SCTP's module is loaded by the first socket, on machines that do not forbid it.
	_ = exec.Command("modprobe", "sctp").Run()
	answerUDP(t, s.Real[1], ":8000")
	answerSCTP(t, s.Real[2], netip.AddrPortFrom(lab.RIPs[2], 8000))
	for _, a := range []string{"10.1.200.0/32", "10.1.200.1/32", "10.1.200.2/32", "10.1.200.3/32", "10.1.201.1/32"} {
		labtest.Must(t, s.A.IP(t.Context(), "address", "add", a, "dev", "eth1"))
	}
	// Deprecated: the kernel takes none of them by itself (RFC 6724, section 5, rule 3).
	for _, a := range []string{"fd00:10::200:0/128", "fd00:10::200:1/128"} {
		labtest.Must(t, s.A.IP(t.Context(), "address", "add", a, "dev", "eth1", "nodad", "preferred_lft", "0"))
	}
	labtest.Must(t, s.A.IP(t.Context(), "address", "add", "fd00:60::200/128", "dev", "eth0", "nodad"))
	labtest.Start(t, s.A, "-c", s.file)
	labtest.Await(t, s.A, "web", "active")
	labtest.Must(t, s.A.AwaitVIP(t.Context(), true))
	for url, want := range map[string]string{
		"http://192.168.60.200:9376/": "rs1", "http://192.168.60.200:9377/": "rs2", "http://[fd00:60::200]:9376/": "rs3",
	} {
		for range 6 {
			out, err := s.Client.Output(t.Context(), "curl", "-sS", "--max-time", "10", url)
			if err != nil || strings.TrimSpace(out) != want {
				t.Errorf("%s: %q, %v; want %s", url, out, err, want)
			}
		}
	}
	if got := datagrams(t, s.Client, lab.ClientAddr(0), lab.Service.String(), "?", 3); got["rs2"] != 3 {
		t.Errorf("datagrams are answered by %v, want rs2", got)
	}
	for range 3 {
		if name, err := associate(s.Client, netip.AddrPortFrom(lab.ClientAddr(0), 0), lab.Service); name != "rs3" {
			t.Errorf("SCTP is answered by %q, %v; want rs3", name, err)
		}
	}
	// What the servers see is an address of the pool.
	s.download(t)
	peers := labtest.Run(t, s.Real[0], "ss", "-Htan", "src", "10.1.2.3:80")
	if !strings.Contains(peers, " 10.1.200.") && !strings.Contains(peers, " 10.1.201.1:") {
		t.Errorf("the server's connections come from\n%s", peers)
	}
	labtest.Must(t, s.Client.Do(func() error {
		c, err := net.DialTimeout("tcp", "[fd00:60::200]:9376", patience)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}))
	if peers := labtest.Run(t, s.Real[2], "ss", "-Htan", "src", "[fd00:10::13]:80"); !strings.Contains(peers, "[fd00:10::200:") {
		t.Errorf("the server's connections by IPv6 come from\n%s", peers)
	}
	if !strings.Contains(labtest.Run(t, s.A, "nft", "list", "table", "inet", "usher_fullnat"), "10.1.200.0/30") {
		t.Error("the rules lack the pool")
	}
}

// A server by nat sees the client's address, though others of its service are by fullnat
// and see the director's.
func TestDirectorFullNATBesideNAT(t *testing.T) {
	l := suite.New(t, "nat")
	for _, n := range l.Real {
		answerTCP(t, n, 8000)
	}
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", lab.BackVIP.String()+"/32", "dev", "eth1"))
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", "192.168.60.240/32", "dev", "eth0"))
	labtest.Start(t, l.A, "-c", labtest.File(t, l.A, "usher.hcl", changeConfig("web", "tcp", "fullnat", "nat", "fullnat")))
	for range 3 {
		name, c, err := connect(l.Client, lab.ClientAddr(0), operatorVIP)
		labtest.Must(t, err)
		defer c.Close()
		i := map[string]int{"rs1": 0, "rs2": 1, "rs3": 2}[name]
		want := []string{"10.1.0.", lab.ClientAddr(0).String(), "10.1.0."}[i]
		if seen := labtest.Run(t, l.Real[i], "ss", "-Htn", "sport = :8000"); !strings.Contains(seen, want) {
			t.Errorf("%s should see %s, it sees\n%s", name, want, seen)
		}
	}
}
