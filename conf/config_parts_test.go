package conf_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/conf"
	"usher/conf/conftest"
)

// own are the keys that may differ from director to director: they change no digest. A key
// is as in REFERENCE.md, with the blocks that tell it from others of its name.
var own = []string{
	"global.router_id", "global.state", "global.control", "global.http", "global.http_hosts",
	"global remote.listen", "global remote.cert_file", "global remote.key_file", "global remote.client_ca_file",
	"global log.level", "global log.format", "ipvs sync.interface", "email.helo",
	"peers.name", "peers.listen", "peers.join", "peers.key", "peers.key_file", "peers.old_key", "peers.old_key_file",
	"vrrp_instance.interface", "vrrp_instance.vrf", "vrrp_instance.priority", "vrrp_instance.source4", "vrrp_instance.source6",
	"unicast.source", "unicast.peers", "unicast peer.min_ttl", "unicast peer.max_ttl",
	"virtual_address.interface", "virtual_address.label", "virtual_route.interface", "virtual_rule.interface",
	"bfd.interface", "bfd.source", "virtual_server.snat_addresses",
	"bgp",
	"health_check.interface", "health_check.bind_address", "health_check.source", "health_check.helo",
}

var typed = regexp.MustCompile(`(health_check|discover) [a-z]+`)

// ownKey is the entry of own for a key as conftest names it; "" for none.
func ownKey(key string) string {
	key = typed.ReplaceAllString(key, "$1")
	if strings.HasPrefix(key, "bgp") { // a session is between two: all of it
		return "bgp"
	}
	i := slices.IndexFunc(own, func(o string) bool { return key == o || strings.HasSuffix(key, " "+o) })
	if i < 0 {
		return ""
	}
	return own[i]
}

// digests checks what a change of a key does to the digests: it changes those of its own
// block, or none where the key may differ.
func digests(t *testing.T, c conftest.Change, used map[string]bool) {
	t.Helper()
	before, after := c.Before[conftest.Active].Parts([]byte("key")), c.After[conftest.Active].Parts([]byte("key"))
	var changed []string
	for _, part := range slices.Sorted(maps.Keys(before)) {
		if before[part] != after[part] {
			changed = append(changed, part)
		}
	}
	key, _, _ := strings.Cut(c.Key, " = ")
	if o := ownKey(key); o != "" {
		used[o] = true
		if len(changed) > 0 {
			t.Errorf("%s = %s may differ from director to director, and changes the digest of %q", key, c.Value, changed)
		}
		return
	}
	block, _, _ := strings.Cut(key, " ")
	block, _, _ = strings.Cut(block, ".")
	if len(changed) == 0 || len(before) != len(after) {
		t.Errorf("%s = %s changes no digest (%d parts, before %d): is it one that may differ?", key, c.Value, len(after), len(before))
	}
	for _, part := range changed {
		if of, _, _ := strings.Cut(part, " "); of != block {
			t.Errorf("%s = %s changes the digest of %q", key, c.Value, part)
		}
	}
}

// allUsed complains of entries that no key has.
func allUsed(t *testing.T, used map[string]bool) {
	t.Helper()
	for _, o := range own {
		if !used[o] {
			t.Errorf("no key %s was changed, which is said to differ from director to director", o)
		}
	}
}

// one and other are two directors' files that want the same.
const one = `
variable "secret" { default = "opal-secret" }
global {
  router_id = "lb1"
  http      = "192.0.2.2:9765"
  ipvs { tcp_timeout = "15m" }
  webhook "https://alerts.example.org/a" {}
  webhook "https://alerts.example.org/b" {}
}
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 150
  virtual_addresses = ["192.0.2.10/32", "192.0.2.11/32"]
  unicast {
    source = "192.0.2.2"
    peers  = ["192.0.2.3"]
  }
  track_interface "eth1" { weight = -10 }
  track_script "ok" { command = ["/bin/true"] }
  authentication {
    type       = "hmac"
    active_key = 1
    key "1" { secret = "the first of two long secrets ---" }
    key "2" { secret = "the other of two long secrets ---" }
  }
}
vrrp_sync_group "all" { instances = ["web", "more"] }
vrrp_instance "more" {
  interface         = "eth0"
  virtual_router_id = 52
  virtual_addresses = ["192.0.2.20/32"]
}
virtual_server "web" {
  address = "192.0.2.10:80"
  weight  = 2
  health_check "http" { path = "/healthz" }
  health_check "tcp" {}
  health_check "ping" {}
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" { weight = 5 }
  sorry_server "10.0.0.8:80" {}
  sorry_server "10.0.0.9:80" {}
  discover "dns" { name = "web.example" }
}
virtual_server "mail" {
  address = "192.0.2.10:25"
  real_server "10.0.0.3:25" {}
}
`

const other = `
# The same, written by somebody else.
virtual_server "mail" {
  forward_method = "nat"
  real_server "10.0.0.3" { weight = 1 }
  address = "192.0.2.10:25"
}
vrrp_instance "more" {
  virtual_addresses = ["192.0.2.20"]
  virtual_router_id = 52
  interface         = "ens5"
  priority          = 50
  advert_interval   = "1000ms"
}
vrrp_instance "web" {
  interface         = "ens5"
  virtual_router_id = 51
  virtual_address "192.0.2.11/32" {}
  virtual_address "192.0.2.10/32" {}
  authentication {
    type       = "hmac"
    active_key = 1
    key "2" { secret = "the other of two long secrets ---" }
    key "1" { secret = "the first of two long secrets ---" }
  }
  unicast {
    source = "192.0.2.3"
    peers  = ["192.0.2.2"]
  }
  track_script "ok" { command = ["/bin/true"] }
  track_interface "ens6" { weight = -10 }
}
locals { servers = { "10.0.0.2:80" = 5, "10.0.0.1:80" = 2 } }
virtual_server "web" {
  address  = "192.0.2.10:80"
  protocol = "tcp"
  discover "dns" {
    name = "web.example"
    type = "A"
  }
  health_check "ping" {}
  health_check "tcp" { interval = "2s" }
  health_check "http" { path = "/healthz" }
  weight = 2
  dynamic "real_server" {
    for_each = local.servers
    labels   = [real_server.key]
    content { weight = real_server.value }
  }
  sorry_server "10.0.0.8:80" {}
  sorry_server "10.0.0.9:80" {}
}
vrrp_sync_group "all" { instances = ["more", "web"] }
global {
  router_id = "lb2"
  on_stop   = "clean"
  webhook "https://alerts.example.org/b" { timeout = "5s" }
  webhook "https://alerts.example.org/a" {}
  ipvs {
    tcp_timeout = "900s"
  }
}
`

// loaded is the configuration of a text.
func loaded(t *testing.T, text string) *conf.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "usher.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	if diags.HasErrors() {
		t.Fatal(diags.Text(false))
	}
	return c
}

// TestPartsOfEqualIntent: the order of blocks, comments, defaults written or not, and what
// is each director's own are in no digest, with a key and without.
func TestPartsOfEqualIntent(t *testing.T) {
	a, b := loaded(t, one), loaded(t, other)
	for _, key := range [][]byte{[]byte("a key of 16 bytes"), nil} {
		parts := a.Parts(key)
		if got, want := fmt.Sprint(parts), fmt.Sprint(b.Parts(key)); got != want {
			t.Errorf("key %q: digests of the same differ:\n%s\n%s", key, got, want)
		}
		names := "[global virtual_server mail virtual_server web vrrp_instance more vrrp_instance web vrrp_sync_group all]"
		if got := fmt.Sprint(slices.Sorted(maps.Keys(parts))); got != names {
			t.Errorf("parts %s", got)
		}
	}
}

// TestPartsThatDiffer: one thing differs, and the digest of its part alone; where order
// means something, it counts.
func TestPartsThatDiffer(t *testing.T) {
	key := []byte("a key of 16 bytes")
	before := loaded(t, one).Parts(key)
	for _, c := range []struct{ old, new, part string }{
		{"{ weight = 5 }", "{ weight = 6 }", "virtual_server web"},
		{"real_server \"10.0.0.1:80\" {}", "", "virtual_server web"},
		{"{ path = \"/healthz\" }", "{ path = \"/health\" }", "virtual_server web"},
		{"\"10.0.0.8:80\" {}\n  sorry_server \"10.0.0.9:80\" {}", "\"10.0.0.9:80\" {}\n  sorry_server \"10.0.0.8:80\" {}", "virtual_server web"},
		{"web.example", "www.example", "virtual_server web"},
		{"weight = -10", "weight = -20", "vrrp_instance web"},
		{"the other of two long secrets ---", "the third of two long secrets ---", "vrrp_instance web"},
		{"[\"web\", \"more\"]", "[\"more\"]", "vrrp_sync_group all"},
		{"15m", "16m", "global"},
		{"example.org/b", "example.org/c", "global"},
	} {
		after := loaded(t, strings.Replace(one, c.old, c.new, 1)).Parts(key)
		for part, digest := range before {
			if (after[part] != digest) != (part == c.part) {
				t.Errorf("%s -> %s: the digest of %s: %s, before %s", c.old, c.new, part, after[part], digest)
			}
		}
	}
	renamed := loaded(t, strings.ReplaceAll(one, `"mail"`, `"smtp"`)).Parts(key)
	if renamed["virtual_server smtp"] == "" || renamed["virtual_server mail"] != "" {
		t.Errorf("a renamed virtual server: %v", renamed)
	}
}

// TestPartsKeepSecrets: digests depend on the key; without one, no secret is in them that
// could be found by trying.
func TestPartsKeepSecrets(t *testing.T) {
	a := loaded(t, one)
	b := loaded(t, strings.NewReplacer("the other of two long secrets ---", "the third of two long secrets ---", "example.org/b", "example.org/c7d8e9f0a1").Replace(one))
	if fmt.Sprint(a.Parts(nil)) != fmt.Sprint(b.Parts(nil)) {
		t.Error("digests without a key are made of secrets")
	}
	keyed, others := a.Parts([]byte("a key of 16 bytes")), a.Parts([]byte("another 16 bytes"))
	for part, digest := range keyed {
		if digest == others[part] || len(digest) != 11 {
			t.Errorf("the digest of %s does not depend on the key: %s, %s", part, digest, others[part])
		}
	}
	if id := conf.PartsKey([]byte("a key of 16 bytes")); len(id) != 8 || id == conf.PartsKey([]byte("another 16 bytes")) || conf.PartsKey(nil) != "" {
		t.Errorf("the name of a key is %q", id)
	}
	if f := conf.PartsForm(); len(f) != 8 || f != conf.PartsForm() {
		t.Errorf("the form is %q", f)
	}
}

// BenchmarkParts digests 1,000 virtual servers of 10.
func BenchmarkParts(b *testing.B) {
	var text strings.Builder
	for v := range 1000 {
		fmt.Fprintf(&text, "virtual_server \"pool%d\" {\naddress = \"192.0.%d.%d:80\"\nhealth_check \"http\" { path = \"/healthz\" }\n", v, v/250, v%250)
		for r := range 10 {
			fmt.Fprintf(&text, "real_server \"10.%d.%d.%d:80\" {}\n", v/250, v%250, r+1)
		}
		text.WriteString("}\n")
	}
	file := filepath.Join(b.TempDir(), "usher.hcl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	if diags.HasErrors() {
		b.Fatal(diags.Text(false))
	}
	for b.Loop() {
		c.Parts([]byte("a key of 16 bytes"))
	}
}
