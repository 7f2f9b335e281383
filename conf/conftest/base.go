package conftest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/conf"
)

// Role is which director of a pair.
type Role int

// The two directors.
const (
	Active Role = iota
	Backup
)

// String gives the word.
func (r Role) String() string { return [...]string{"active", "backup"}[r] }

// Own is this director's address in a network of IPv4, whose first three numbers are given.
func (r Role) Own(network string) string { return network + "." + fmt.Sprint(11+int(r)) }

// Other is its peer's.
func (r Role) Other(network string) string { return (1 - r).Own(network) }

// base is the configuration before a change of a key of the innermost of blocks. It has
// every kind of block, of health checks those of one type: a key is changed where its
// block stands first.
func base(r Role, dir string, blocks []string) string {
	alerts := `
  notify { command = ["/bin/true"] }
  webhook "https://alerts.example.org/usher" {}
  email {
    server = "mail.example.org"
    from   = "usher@example.org"
    to     = ["ops@example.org"]
  }
`
	ipvsBlock := withSync
	if blocks[0] == "virtual_server" {
		ipvsBlock = "" // for there is no instance
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
global {
  router_id = "lb"
  state     = %q
  control   = %q
  log {}
  remote {
    listen         = "127.0.0.1:9766"
    cert_file      = "a.pem"
    key_file       = "a.key"
    client_ca_file = "a.pem"
  }
%s%s}
`, filepath.Join(dir, "state"), filepath.Join(dir, "sock"), ipvsBlock, alerts)
	b.WriteString(`
peers {
  listen = "192.0.2.11:7946"
  key    = "some key of a group, of 32 bytes"
}
`)
	if blocks[0] != "virtual_server" {
		instances(&b, r, alerts)
	}
	servers(&b, alerts, blocks)
	if blocks[0] == "bgp" || blocks[0] == "announce" {
		announced(&b, r, len(blocks) != 2)
		// What is announced is quiesced, and nothing else is to change by that.
		return strings.Replace(b.String(), `virtual_server "any" {`, "virtual_server \"any\" {\n  on_failure     = \"quiesce\"", 1)
	}
	return b.String()
}

const withSync = `
  ipvs {
    sync {
      interface = "eth0"
      instance  = "web"
    }
  }
`

func instances(b *strings.Builder, r Role, alerts string) {
	priority := []int{150, 100}[r]
	fmt.Fprintf(b, `
bfd "router" { address = "192.0.2.1" }

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = %d
  virtual_addresses = ["192.0.2.200/32", "fe80::200/64"]
  virtual_address "192.0.2.201/32" { interface = "eth0" }
  virtual_route "198.51.100.0/24" {
    via       = "192.0.2.1"
    interface = "eth0"
  }
  virtual_rule {
    from  = "192.0.2.200/32"
    table = 100
  }
  garp {}
  witness { ping = ["192.0.2.1"] }
  track_interface "eth1" {}
  track_script "ok" { command = ["/bin/true"] }
  track_file "/run/usher/number" { weight = 1 }
  track_process "sshd" {}
  track_virtual_server "web" {}
  track_bfd "router" {}
%s}
`, priority, alerts)
	fmt.Fprintf(b, `
vrrp_instance "uni" {
  interface         = "eth0"
  virtual_router_id = 52
  priority          = %d
  virtual_addresses = ["192.0.2.210/32"]
  unicast {
    source = %q
    peers  = ["192.0.2.13"]
    peer %q {}
  }
}

vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 53
  priority          = %d
  version           = 2
  virtual_addresses = ["192.0.2.220/32"]
  authentication {
    type     = "pass"
    password = "secret"
  }
}

vrrp_instance "signed" {
  interface         = "eth0"
  virtual_router_id = 55
  priority          = %d
  virtual_addresses = ["192.0.2.240/32"]
  authentication {
    type       = "hmac"
    active_key = 1
    key "1" { secret = "the first of two long secrets ---" }
    key "2" { secret = "the other of two long secrets ---" }
  }
}

vrrp_instance "routed" {
  virtual_router_id = 54
  priority          = %d
  virtual_address "192.0.2.230/32" { interface = "eth0" }
  unicast {
    source = %q
    peers  = [%q]
  }
}
`, priority, r.Own("192.0.2"), r.Other("192.0.2"), priority, priority, priority, r.Own("192.0.2"), r.Other("192.0.2"))
	for i, name := range []string{"one", "two", "three"} {
		fmt.Fprintf(b, `
vrrp_instance %q {
  interface         = "eth0"
  virtual_router_id = %d
  priority          = %d
  virtual_addresses = ["192.0.2.%d/32"]
}
`, name, 61+i, priority, 241+i)
	}
	fmt.Fprintf(b, "\nvrrp_sync_group \"edge\" {\n  instances = [\"one\", \"two\"]\n%s}\n", alerts)
}

// announced has a peer with BFD, which some keys need, or one without, which others do.
func announced(b *strings.Builder, r Role, bfd bool) {
	session := ""
	if bfd {
		session = "    bfd {}\n"
	}
	fmt.Fprintf(b, `
bgp {
  asn       = 65001
  router_id = %q
  peer "192.0.2.1" {
    asn = 65000
%s  }
}

announce "mark" {
  addresses       = ["192.0.2.250/32"]
  virtual_servers = ["mark"]
  track_interface "eth1" {}
}
`, r.Own("192.0.2"), session)
}

func servers(b *strings.Builder, alerts string, blocks []string) {
	fmt.Fprintf(b, `
virtual_server "web" {
  address        = "192.0.2.200:80"
  forward_method = "nat"
%s%s%s  real_server "10.0.0.1:80" {
%s  }
  real_server "10.0.0.2:80" {}
  sorry_server "10.0.0.9:80" {
%s  }
}

virtual_server "mark" {
  fwmark         = 7
  family         = "ipv4"
  forward_method = "dr"
  real_server "10.0.1.1" {}
  real_server "10.0.1.2" {}
}

virtual_server "any" {
  fwmark         = 9
  family         = "ipv4"
  forward_method = "tun"
  real_server "10.0.4.1" {}
  real_server "10.0.4.2" {}
}

virtual_server "tunnel" {
  address        = "192.0.2.202:53"
  protocol       = "udp"
  forward_method = "tun"
  tunnel {}
  real_server "10.0.2.1" {
    tunnel {}
  }
  real_server "10.0.2.2" {}
  sorry_server "10.0.2.9" {
    tunnel {}
  }
}

virtual_server "full" {
  address        = "192.0.2.203:443"
  forward_method = "fullnat"
  real_server "10.0.3.1:443" {}
  real_server "10.0.3.2:443" {}
}
`, alerts, check("virtual_server", blocks), source(blocks), check("real_server", blocks), check("sorry_server", blocks))
}

// check is the health check whose key is changed, if that is in a block of this kind.
// Where there is none, virtual servers have one all the same.
func check(in string, blocks []string) string {
	name := blocks[len(blocks)-1]
	kind, ok := strings.CutPrefix(name, "health_check ")
	switch {
	case !ok && in == "virtual_server":
		return "  health_check \"tcp\" {}\n"
	case !ok || blocks[len(blocks)-2] != in:
		return ""
	}
	return fmt.Sprintf("  health_check %q {\n%s\n}\n", kind, map[string]string{
		"udp": "port = 9", "dns": "port = 53", "smtp": "port = 25", "exec": `command = ["/bin/true"]`, "agent": "port = 8888",
		"file": `path = "/etc/usher/weight"`,
	}[kind])
}

// source is the discover block whose key is changed, if that is in one.
func source(blocks []string) string {
	kind, ok := strings.CutPrefix(blocks[len(blocks)-1], "discover ")
	if !ok {
		return ""
	}
	return fmt.Sprintf("  discover %q {\n    %s\n  }\n", kind, map[string]string{
		"dns": `name = "web.example"`, "file": `paths = ["/etc/usher/web.json"]`, "http": `url = "https://cmdb.example/targets"`,
	}[kind])
}

// folder is where configurations are, with the files that they name.
type folder struct {
	t    *testing.T
	path string
	good map[string]*conf.Config // by their texts: most keys are changed from the same one
}

// load reads a configuration; what the text names by itself is in the same folder.
func (f *folder) load(text string) (*conf.Config, conf.Diagnostics) {
	f.t.Helper()
	if c := f.good[text]; c != nil {
		return c, nil
	}
	file := filepath.Join(f.path, "usher.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	if !diags.HasErrors() {
		f.good[text] = c
	}
	return c, diags
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"secret": "hush", "old": "before", "key": "a secret in a file of thirty-three", "other-key": "another one in a file, of many bytes", "peers-key": "a group's key in a file, 32 byte", "other-peers-key": "the other one, 24 bytes.", "a.pem": "", "b.pem": "", "a.key": "", "b.key": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &folder{t: t, path: dir, good: map[string]*conf.Config{}}
}
