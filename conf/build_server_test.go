package conf

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/director/ipvs"
	"usher/healthcheck"
)

func TestRanges(t *testing.T) {
	v := good(t, []string{"testdata/everything.hcl"}, nil).VirtualServers[0]
	var keys []string
	for _, k := range v.Keys {
		keys = append(keys, k.String())
	}
	want := []string{
		"udp 192.168.60.10:8000", "udp 192.168.60.10:8001", "udp 192.168.60.11:8000", "udp 192.168.60.11:8001",
		"udp 192.168.60.12:8000", "udp 192.168.60.12:8001",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if v.Service.Netmask != 24 || v.Service.Flags != ipvs.Persistent|ipvs.OnePacket|ipvs.Sched1|ipvs.Sched2 {
		t.Errorf("service %+v", v.Service)
	}
	tunnels := []ipvs.Tunnel{v.Real[0].Tunnel, v.Real[1].Tunnel}
	if diff := cmp.Diff([]ipvs.Tunnel{{Type: ipvs.GUE, Port: 5555, Flags: ipvs.TunnelCsum}, {Type: ipvs.GRE}}, tunnels); diff != "" {
		t.Errorf("tunnels (-want +got):\n%s", diff)
	}
	if v.Real[0].Weight != 2 || v.Real[1].Weight != 0 || v.Real[2].Upper != 10 || v.Real[0].Upper != 100 {
		t.Errorf("inheritance of numbers: %+v", v.Real)
	}
	if v.Targets[0].Initial != healthcheck.Up || v.Targets[0].Need != 1 {
		t.Errorf("target %+v", v.Targets[0])
	}
}

// TestInheritance: checks of the virtual server hold for every server; one in a
// real server overrides its keys or is added.
func TestInheritance(t *testing.T) {
	c := loadText(t, `
virtual_server "web" {
  address = "192.0.2.1:80"
  health_check "http" {
    paths    = ["/a", "/b"]
    interval = "5s"
  }
  health_check "tcp" { name = "ssh" }
  health_check "tcp" { name = "smtp" }
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:8080" {
    health_check "http" { path = "/c" }
    health_check "tcp" {
      name    = "smtp"
      address = "10.9.9.9"
      port    = 25
    }
    health_check "tcp" {}
  }
  sorry_server "10.0.0.3:80" {}
}
`)
	type short struct {
		Type  healthcheck.Type
		Name  string
		To    string
		Every time.Duration
		Paths string
	}
	var got [][]short
	for _, target := range c.Targets() {
		var all []short
		for _, k := range target.Checks {
			s := short{k.Type, k.Name, k.Address.String(), k.Interval, ""}
			if k.HTTP != nil {
				s.Paths = strings.Join(k.HTTP.Paths, " ")
			}
			all = append(all, s)
		}
		got = append(got, all)
	}
	want := [][]short{
		{
			{healthcheck.TypeHTTP, "", "10.0.0.1:80", 5 * time.Second, "/a /b"},
			{healthcheck.TypeTCP, "ssh", "10.0.0.1:80", 2 * time.Second, ""},
			{healthcheck.TypeTCP, "smtp", "10.0.0.1:80", 2 * time.Second, ""},
		}, {
			{healthcheck.TypeHTTP, "", "10.0.0.2:8080", 5 * time.Second, "/c"},
			{healthcheck.TypeTCP, "ssh", "10.0.0.2:8080", 2 * time.Second, ""},
			{healthcheck.TypeTCP, "smtp", "10.9.9.9:25", 2 * time.Second, ""},
			{healthcheck.TypeTCP, "", "10.0.0.2:8080", 2 * time.Second, ""},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

// TestAddressesOfTheKernel: what the kernel's table cannot hold is an error, and not
// another address than the one that is written.
func TestAddressesOfTheKernel(t *testing.T) {
	for _, tt := range []struct{ service, server, want string }{
		{"[2001:db8::1]:80", "[fe80::1%eth0]:80", "a zone has no place"},
		{"192.0.2.1:80", "[::ffff:10.0.0.1]:80", "write it as 10.0.0.1"},
		{"[::ffff:192.0.2.1]:80", "10.0.0.1:80", "write it as 192.0.2.1"},
		{"[::ffff:192.0.2.1-c800]:80", "10.0.0.1:80", "write it as 192.0.2.1"},
	} {
		text := "virtual_server \"a\" {\n  address = \"" + tt.service + "\"\n  real_server \"" + tt.server + "\" {}\n}\n"
		if _, diags := LoadText("usher.hcl", []byte(text), nil); !strings.Contains(diags.Text(false), tt.want) {
			t.Errorf("%s and %s: %s", tt.service, tt.server, diags.Text(false))
		}
	}
}
