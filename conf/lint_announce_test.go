package conf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/director"
	"usher/director/announce"
)

// manyDirectors is a configuration whose virtual server is announced, with something in it.
func manyDirectors(global, peer, server string) string {
	return fmt.Sprintf(`
global {
%s
}
bgp {
  asn       = 65001
  router_id = "192.0.2.1"
  peer "192.0.2.254" {
    asn = 65000
%s
  }
}
announce "web" { addresses = ["192.0.2.10", "2001:db8::10"] }
virtual_server "web" {
  address = "192.0.2.10:80"
%s
}
`, global, peer, server)
}

const both = "    next_hop6 = \"2001:db8::1\"\n"

const hashing = "  scheduler = \"mh\"\n  scheduler_flags = [\"mh-port\", \"mh-fallback\"]\n"

// TestManyDirectors: what loses connections that move is a warning at its key, with the
// mend; what does not is none.
func TestManyDirectors(t *testing.T) {
	servers := "  forward_method = \"dr\"\n  real_server \"10.0.0.1:80\" {}\n  real_server \"10.0.0.2:80\" {}\n"
	sync := "  ipvs {\n    sync { interface = \"eth0\" }\n  }\n"
	for _, tc := range []struct {
		global, peer, server string
		want                 []string // a word of each warning
	}{
		{"", both, hashing + servers, nil},
		{"", both, servers, []string{`scheduler = "mh"`}},
		{sync, both, servers, nil},
		{"", "", hashing + servers, []string{"next_hop6"}},
		{"", both, "  scheduler = \"mh\"\n  scheduler_flags = [\"mh-port\"]\n" + servers, []string{"mh-fallback", "mh-fallback"}},
		{"  ipvs { sloppy_tcp = false }\n", both, hashing + servers, []string{"sloppy_tcp"}},
		{"", both, hashing + "  slow_start = \"10s\"\n" + servers, []string{"slow_start"}},
		{sync, both, "  slow_start = \"10s\"\n" + servers, nil},
		{"", both, hashing + servers + "  health_check \"agent\" { port = 8888 }\n", []string{"sets the weight"}},
		{"", both, hashing + strings.Replace(servers, "dr", "fullnat", 1), []string{"source port"}},
	} {
		loader := Loader{how: loading{look: true}}
		c, found := loader.load([]text{{"x.hcl", []byte(manyDirectors(tc.global, tc.peer, tc.server))}}, nil, nil)
		if c == nil {
			t.Errorf("%q: %v", tc.server, found)
			continue
		}
		var got []string
		for _, d := range found {
			got = append(got, d.Detail)
		}
		if len(got) != len(tc.want) || slices.ContainsFunc(tc.want, func(w string) bool { return !strings.Contains(strings.Join(got, "\n"), w) }) {
			t.Errorf("%s%s%s: warnings %q, want %q", tc.global, tc.peer, tc.server, got, tc.want)
		}
	}
}

// TestAnnounced: what is read of the blocks, and what follows for the virtual servers and
// for the kernel's settings.
func TestAnnounced(t *testing.T) {
	servers := "  forward_method = \"dr\"\n  real_server \"10.0.0.1:80\" {}\n"
	c, found := (&Loader{}).load([]text{{"x.hcl", []byte(manyDirectors("", both+"    password = \"hush-hush\"\n    bfd { min_tx = \"50ms\" }\n", hashing+servers) + `
virtual_server "own" {
  address        = "192.0.2.20:80"
  forward_method = "dr"
  real_server "10.0.0.1:80" {}
}
virtual_server "six" {
  address        = "[2001:db8::10]:80"
  forward_method = "dr"
  real_server "[2001:db8:1::1]:80" {}
}
virtual_server "tls" {
  address        = "192.0.2.10:443-444"
  forward_method = "dr"
  real_server "10.0.0.1" {}
}
`)}}, nil, nil)
	if c == nil {
		t.Fatal(found)
	}
	a := c.Announcing()
	if a.Local != (announce.Local{ASN: 65001, RouterID: netip.MustParseAddr("192.0.2.1")}) {
		t.Errorf("speaker %+v", a.Local)
	}
	if p := a.Peers[0]; p != (announce.Peer{Address: netip.MustParseAddr("192.0.2.254"), ASN: 65000, Port: 179, HoldTime: 9 * time.Second, Password: "hush-hush",
		NextHop6: netip.MustParseAddr("2001:db8::1"), BFD: announce.BFD{MinTX: 50 * time.Millisecond, MinRX: 50 * time.Millisecond, Multiplier: 3}}) {
		t.Errorf("peer %+v", p)
	}
	if w := a.Announcements[0]; len(w.Prefixes) != 2 || !slices.Equal(w.Pools, []string{"web", "six", "tls"}) || w.Times != (announce.Parameters{UpDelay: 10 * time.Second, DrainTimeout: 5 * time.Second, Linger: 5 * time.Second}) {
		t.Errorf("announcement %+v", w)
	}
	for i, want := range []director.OnFailure{director.Quiesce, director.Remove} {
		if got := c.VirtualServers[i].OnFailure; got != want {
			t.Errorf("%s: on_failure %s, want %s", c.VirtualServers[i].Name, got, want)
		}
	}
	if s := c.DirectorSettings(); s.SloppyTCP == nil || !*s.SloppyTCP || s.ScheduleICMP == nil || !*s.ScheduleICMP {
		t.Errorf("sloppy_tcp %v, schedule_icmp %v, want both on", s.SloppyTCP, s.ScheduleICMP)
	}
	if shown := fmt.Sprint(c.Redacted()); strings.Contains(shown, "hush-hush") || !slices.Contains(c.Secrets(), "hush-hush") {
		t.Errorf("the password of a session is no secret: %s", shown)
	}
	plain, found := (&Loader{}).load([]text{{"x.hcl", []byte("virtual_server \"own\" {\n  address = \"192.0.2.20:80\"\n" + hashing + servers + "}\n")}}, nil, nil)
	if plain == nil {
		t.Fatal(found)
	}
	if s := plain.DirectorSettings(); s.SloppyTCP != nil || s.ScheduleICMP != nil || plain.BGP != nil {
		t.Errorf("without an announcement: sloppy_tcp %v, schedule_icmp %v, bgp %v", s.SloppyTCP, s.ScheduleICMP, plain.BGP)
	}
}
