package conf

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"usher/director"
	"usher/director/discover"
)

func found(addrs ...string) func(string) []discover.Server {
	return func(string) (all []discover.Server) {
		for _, a := range addrs {
			all = append(all, discover.Server{RealServer: director.RealServer{Address: netip.MustParseAddrPort(a), Weight: 1, Forward: director.NAT, Checked: true}})
		}
		return all
	}
}

// A discovered server has the checks that it would have if it were written down.
func TestDiscoveredServersAreCheckedLikeWrittenOnes(t *testing.T) {
	const head = `virtual_server "web" {
  address = "192.0.2.1:80"
  weight  = 1
  initial = "up"
  upper_threshold = 9
  health_check "http" { path = "/healthz" }
  health_check "tcp" {
    address   = "10.9.9.9"
    bind_port = 1234
  }
  health_check "tcp" {
    name = "service"
    via  = "service"
  }
  health_check "ping" {}
  health_check "agent" { port = 8888 }
`
	written := loadText(t, head+"  real_server \"10.0.0.1:80\" {}\n  real_server \"10.0.0.2:8080\" {}\n}\n").VirtualServers[0]
	c := loadText(t, head+"  real_server \"10.0.0.1:80\" {}\n  discover \"dns\" { name = \"web.example\" }\n}\n")
	text, err := json.Marshal(c) // as the state folder has it
	if err != nil {
		t.Fatal(err)
	}
	var kept Config
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Config{c, &kept} {
		p := discover.NewPool(c.Sources()[0])
		p.Step(0, discover.Answer{Entries: []discover.Entry{{Address: netip.MustParseAddrPort("10.0.0.2:8080"), Weight: discover.NoWeight}}}, p.Sets()[0].Changed)
		got := c.Discovered(func(string) []discover.Server { return p.Servers() }).VirtualServers[0]
		if !reflect.DeepEqual(got.Real, written.Real) {
			t.Errorf("servers %+v, expected %+v", got.Real, written.Real)
		}
		if !reflect.DeepEqual(got.Targets, written.Targets) {
			t.Errorf("targets %+v, expected %+v", got.Targets, written.Targets)
		}
	}
}

// One that the checks cannot have is left out, and so is one of the other family where the
// kernel synchronises connections.
func TestAdmission(t *testing.T) {
	c := loadText(t, `
global {
  ipvs {
    sync {
      interface = "eth0"
      instance  = "edge"
    }
  }
}
vrrp_instance "edge" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.1/32"]
}
virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "tun"
  discover "file" { paths = ["web.json"] }
}
`)
	p := discover.NewPool(c.Sources()[0])
	p.Step(0, discover.Answer{Entries: []discover.Entry{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 1}, {Address: netip.MustParseAddrPort("[2001:db8::1]:80"), Weight: 1}}}, p.Sets()[0].Changed)
	if len(p.Servers()) != 1 || len(p.Sets()[0].Ignored) != 1 || !strings.Contains(p.Sets()[0].Ignored[0].Why, "synchronises") {
		t.Errorf("%+v", p.Sets()[0])
	}
}

// Paths are those of the file that names them, names of sources are distinct and show no secret.
func TestSources(t *testing.T) {
	c := loadText(t, `
virtual_server "web" {
  address = "192.0.2.1:80"
  discover "file" { paths = ["web*.json"] }
  discover "http" { url = "https://me:hunter22@cmdb.example/targets?token=opal-secret" }
  discover "http" { url = "https://me:hunter22@cmdb.example/targets?svc=b" }
  discover "dns" {
    name    = "_web._tcp.example."
    type    = "SRV"
    servers = ["192.0.2.53", "[2001:db8::53]:5353"]
    weight  = 0
  }
}
`)
	var names []string
	for _, s := range c.VirtualServers[0].Discover {
		names = append(names, s.Name)
	}
	want := []string{"file web*.json", "http https://cmdb.example/targets", "http https://cmdb.example/targets #2", "dns _web._tcp.example SRV"}
	if !slices.Equal(names, want) {
		t.Errorf("names %q", names)
	}
	d := c.VirtualServers[0].Discover
	if !filepath.IsAbs(d[0].File.Paths[0]) || d[3].Weight != 0 || d[0].Weight != 1 || d[3].DNS.Servers[0] != netip.MustParseAddrPort("192.0.2.53:53") {
		t.Errorf("%+v", d)
	}
	secrets := c.Secrets()
	for _, s := range []string{"hunter22", "opal-secret"} {
		if !slices.Contains(secrets, s) {
			t.Errorf("%q is no secret: %q", s, secrets)
		}
	}
	shown, err := json.Marshal(c.Redacted())
	if err != nil || strings.Contains(string(shown), "opal") || strings.Contains(string(shown), "hunter") {
		t.Errorf("%v: %s", err, shown)
	}
}

// The quick way of reading, a reload that knows the text, and what is shared between
// configurations: the servers of one change nothing of the other.
func TestDiscoveredLeavesTheConfigurationAlone(t *testing.T) {
	c := loadText(t, `
virtual_server "web" {
  address = "192.0.2.1:80"
  health_check "tcp" {}
  real_server "10.0.0.1:80" {}
  discover "dns" { name = "web.example" }
}
`)
	one := c.Discovered(found("10.0.0.2:80"))
	two := one.WithDiscovered(c, 0, found("10.0.0.3:80", "10.0.0.4:80"))
	for i, want := range map[*Config]int{c: 1, one: 2, two: 3} {
		if v := i.VirtualServers[0]; len(v.Real) != want || len(v.Targets) != want {
			t.Errorf("%d servers, %d targets, expected %d", len(v.Real), len(v.Targets), want)
		}
	}
	if a := one.VirtualServers[0].Real[1].Address; a != netip.MustParseAddrPort("10.0.0.2:80") {
		t.Errorf("it has %s by now", a)
	}
}
