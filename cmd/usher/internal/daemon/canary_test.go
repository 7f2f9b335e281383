package daemon_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usher/conf"
)

// nest is a configuration with a canary, a value that nothing else has, in each key that
// can hold a secret: all that the schema has, whose secret ones are written and whose
// other texts are sensitive variables.
type nest struct {
	t     *testing.T
	dir   string
	where map[string]string // what holds each canary
	vars  strings.Builder
	body  strings.Builder
	ports map[string]int    // of the servers of checks, by type
	own   map[string]string // values of keys for which a canary is none
	keys  []conf.SchemaKey
}

// rounds is how many blocks there are of each kind: of keys that exclude each other one
// has the first, the next the second.
const rounds = 3

// next is a canary of 8 bytes, as many as every password may have.
func (n *nest) next(where string) string {
	c := fmt.Sprintf("cnry%04d", len(n.where))
	n.where[c] = where
	return c
}

// sensitive refers to a variable with this value.
func (n *nest) sensitive(value string) string {
	name := fmt.Sprintf("v%d", len(n.where))
	fmt.Fprintf(&n.vars, "variable %q {\n  default   = %q\n  sensitive = true\n}\n", name, value)
	return "var." + name
}

// of is a canary of a key.
func (n *nest) of(key string) string {
	for c, k := range n.where {
		if k == key {
			return c
		}
	}
	n.t.Fatalf("no canary of %s", key)
	return ""
}

// exclusive are keys of which one is given at a time.
var exclusive = [][]string{
	{"secret", "secret_file"}, {"key", "key_file"}, {"old_key", "old_key_file"}, {"password", "password_file"}, {"password_file", "password_env"}, {"auth_file", "auth_env"},
	{"path", "paths"}, {"payload", "payload_hex"}, {"expect", "expect_hex", "expect_regex"}, {"expect", "expect_regex"},
}

// late are keys in the last round alone: they keep a check from getting far, or usher's own
// document from being sent.
var late = []string{"health_check.interface", "ca_file", "server_name", "cert_file", "key_file", "alpn", "exec.user", "notify.user", "webhook.body", "webhook.content_type"}

// form has the canary's expression in a valid value of a key: %s. "" is for a key that
// cannot hold one.
var form = map[string]string{
	"state": "", "control": "", "http": "", "http_hosts": "[%s]", "instance": "", "instances": "", "virtual_server.address": "", "persistence_netmask": "", "vrf": "", "grpc.alpn": "", "exec.interface": "", "file.interface": "", "passive.interface": "",
	"email.server": "", "email.from": `"${%s} <usher@example.org>"`, "email.to": `["${%s} <ops@example.org>"]`, "helo": `"${%s}.example.org"`,
	"webhook.ca_file": "", "email.ca_file": "", // read at the start, which fails without
	"virtual_address.label": "", // begins with the interface
	"expect_status":         "", "expect_body_sha256": "", "expect_body_md5": "", "expect_hex": "",
	"path": `"/x/${%s}"`, "question": `"${%s}.example.org"`, "ca_file": `"/nowhere/${%s}"`, "cert_file": `"/nowhere/${%s}"`, "key_file": `"/nowhere/${%s}"`,
	"discover dns.servers": "", "join": "", "discover file.paths": `["/x/${%s}.json"]`,
	"virtual_route.interface": "", "virtual_rule.interface": "", // their instance's
}

// value is what a key of a block has in a round; "" for nothing.
func (n *nest) value(k conf.SchemaKey, round int) string {
	blocks := strings.Fields(k.Blocks[len(k.Blocks)-1])
	block := blocks[len(blocks)-1] // health_check tcp is tcp
	find := func(in map[string]string) (string, bool) {
		for _, name := range []string{strings.Join(blocks, " ") + "." + k.Name, block + "." + k.Name, blocks[0] + "." + k.Name, k.Name} {
			if v, ok := in[name]; ok {
				return v, true
			}
		}
		return "", false
	}
	if v, ok := find(n.own); ok {
		return v
	}
	if block == "bgp" && k.Name == "router_id" {
		return `"192.0.2.1"`
	}
	for _, keys := range exclusive {
		have := slices.DeleteFunc(slices.Clone(keys), func(name string) bool {
			return !slices.ContainsFunc(n.keys, func(o conf.SchemaKey) bool { return slices.Equal(o.Blocks, k.Blocks) && o.Name == name })
		})
		if at := slices.Index(have, k.Name); at >= 0 && at != round%len(have) {
			return ""
		}
	}
	where := k.String()
	for _, l := range late {
		if (l == k.Name || l == block+"."+k.Name || l == blocks[0]+"."+k.Name) && round < rounds-1 {
			return ""
		}
	}
	if block == "peers" && k.Secret {
		return n.key(k, where)
	}
	if k.Name == "secret" && block == "key" || k.Name == "secret_file" && block == "key" {
		return n.key(k, where)
	}
	if signs := round == rounds-1; slices.Contains(k.Blocks, "authentication") && signs {
		return map[string]string{"active_key": "1"}[k.Name]
	}
	switch as, special := find(form); {
	case special && as == "", len(k.Values) > 0:
		return ""
	case k.Name == "headers":
		return fmt.Sprintf("{ X-Auth-Token = \"Bearer %s\", Cookie = \"id=%s\", X-Probe = %s }", n.next(where), n.next(where), n.sensitive(n.next(where)))
	case k.Name == "environment":
		return fmt.Sprintf("{ TOKEN = %q, MODE = %s }", n.next(where), n.sensitive(n.next(where)))
	case k.Secret:
		return strconv.Quote(n.next(where))
	case strings.HasSuffix(k.Name, "_file") && slices.Contains([]string{"secret_file", "password_file", "auth_file", "token_file"}, k.Name):
		path := filepath.Join(n.dir, fmt.Sprintf("file%d", len(n.where)))
		if err := os.WriteFile(path, []byte(n.next(where)+"\n"), 0o600); err != nil {
			n.t.Fatal(err)
		}
		return strconv.Quote(path)
	case strings.HasSuffix(k.Name, "_env"):
		name := fmt.Sprintf("CANARY_%d", len(n.where))
		n.t.Setenv(name, n.next(where))
		return strconv.Quote(name)
	case k.Name == "payload_hex":
		return n.sensitive(hex.EncodeToString([]byte(n.next(where))))
	case k.Name == "url":
		return fmt.Sprintf(`"https://usher:%s@127.0.0.1:1/x?token=%s&b=${%s}"`, n.next(where), n.next(where), n.sensitive(n.next(where)))
	case k.Name == "paths" && !special:
		return fmt.Sprintf(`["/x?token=%s&a=b", "/y/${%s}"]`, n.next(where), n.sensitive(n.next(where)))
	case k.Name == "command":
		return fmt.Sprintf("[%q, \"--token=%s\", %s]", filepath.Join(n.dir, "script"), n.next(where), n.sensitive(n.next(where)))
	case k.Name == "send":
		return fmt.Sprintf(`"AUTH %s\nkey=${%s}\n"`, n.next(where), n.sensitive(n.next(where)))
	case special:
		return fmt.Sprintf(as, n.sensitive(n.next(where)))
	case k.Type == "string":
		return n.sensitive(n.next(where))
	case k.Type == "list of strings":
		return "[" + n.sensitive(n.next(where)) + "]"
	case k.Type == "map of strings":
		return "{ a = " + n.sensitive(n.next(where)) + " }"
	}
	return ""
}

// key is what an HMAC's key has: in whole and in each part of it a canary.
func (n *nest) key(k conf.SchemaKey, where string) string {
	secret := n.next(where) + n.next(where) + n.next(where) + n.next(where)
	if k.Secret {
		return strconv.Quote(secret)
	}
	path := filepath.Join(n.dir, fmt.Sprintf("file%d", len(n.where)))
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return strconv.Quote(path)
}

// labels of the blocks that have one; those of whole configurations get the round.
func (n *nest) label(block string, round int) string {
	switch block {
	case "webhook":
		return fmt.Sprintf(" \"http://usher:%s@127.0.0.1:%d/%s?key=%s\"", n.next("user of a webhook"), n.ports["webhook"], n.next("path of a webhook"), n.next("query of a webhook"))
	case "vrrp_instance", "vrrp_sync_group", "bfd", "virtual_server":
		return fmt.Sprintf(" %q", block+strconv.Itoa(round))
	case "real_server":
		return fmt.Sprintf(" \"127.0.0.1:%d\"", 1000+round)
	case "track_script", "track_process", "track_interface":
		return ` "ok"`
	case "key":
		return ` "1"`
	case "peer": // of bgp: those of unicast are passed
		return fmt.Sprintf(" \"192.0.2.%d\"", 251+round)
	case "track_file":
		return ` "/nowhere"`
	}
	return ""
}

// passed are blocks that cannot hold a secret, or are the same as another.
func passed(blocks []string) bool {
	last := blocks[len(blocks)-1]
	if blocks[0] == "announce" || blocks[0] == "bgp" { // of all that one holds, a session's password alone is secret
		return blocks[0] == "announce" || last == "bfd"
	}
	return slices.Contains([]string{"remote", "ipvs", "tunnel", "unicast", "peer", "witness", "garp", "virtual_route", "virtual_rule", "virtual_address", "track_bfd", "track_virtual_server", "sorry_server"}, last) ||
		slices.Contains(blocks, "ipvs") || slices.Contains(blocks, "sorry_server") || slices.Contains(blocks, "real_server") && last != "real_server" ||
		last == "bfd" || last == "health_check bfd" // which need a network
}

// needed is what a block has to have beside its canaries.
func needed(path []string, round int) string {
	switch block := path[len(path)-1]; {
	case block == "vrrp_instance":
		return fmt.Sprintf("  virtual_router_id = %d\n  version = 2\n  virtual_addresses = [\"192.0.2.%d/32\"]\n", 51+round, 201+round)
	case block == "bgp":
		return "  asn = 65001\n"
	case path[0] == "bgp" && block == "peer":
		return "  asn = 65000\n"
	case block == "authentication" && round == rounds-1:
		return "  type = \"hmac\"\n"
	case block == "authentication":
		return "  type = \"pass\"\n"
	case block == "vrrp_sync_group":
		return fmt.Sprintf("  instances = [\"vrrp_instance%d\"]\n", round)
	case block == "virtual_server":
		return fmt.Sprintf("  address = \"192.0.2.201:%d\"\n  forward_method = \"nat\"\n  initial = \"up\"\n", 1000+round)
	case block == "health_check http" || block == "health_check https":
		return "  auth = \"basic\"\n"
	case block == "health_check udp":
		return "  require_reply = true\n"
	case block == "log":
		return "  level = \"debug\"\n"
	case round < rounds-1:
	case block == "health_check tcp" || block == "health_check grpc":
		return "  tls = true\n"
	case block == "health_check smtp":
		return "  starttls = true\n"
	}
	return ""
}

// write writes a block of a path of blocks, and all that are within it.
func (n *nest) write(path []string, round int) {
	if passed(path) || path[len(path)-1] == "key" && round < rounds-1 {
		return // beside a password there is none
	}
	kind, variant, typed := strings.Cut(path[len(path)-1], " ")
	label := n.label(kind, round)
	if typed {
		label = fmt.Sprintf(" %q", variant)
	}
	fmt.Fprintf(&n.body, "%s%s {\n%s", kind, label, needed(path, round))
	if port := n.ports[variant]; typed && port != 0 {
		fmt.Fprintf(&n.body, "  port = %d\n", port)
	}
	if typed && variant != "passive" {
		n.body.WriteString("  interval = \"1s\"\n  timeout  = \"900ms\"\n")
	}
	inner := map[string]bool{}
	for _, k := range n.keys {
		switch {
		case slices.Equal(k.Blocks, path):
			if v := n.value(k, round); v != "" {
				fmt.Fprintf(&n.body, "  %s = %s\n", k.Name, v)
			}
		case len(k.Blocks) > len(path) && slices.Equal(k.Blocks[:len(path)], path):
			next := k.Blocks[:len(path)+1]
			if name := next[len(path)]; !inner[name] {
				inner[name] = true
				again := 1
				if path[0] == "global" && n.alerts(name) || name == "peer" {
					again = rounds
				}
				for r := range again {
					n.write(next, max(round, r))
				}
			}
		}
	}
	n.body.WriteString("}\n")
}

func (n *nest) alerts(block string) bool {
	return block == "notify" || block == "webhook" || block == "email"
}

// config is the whole of it.
func (n *nest) config() string {
	n.keys = conf.SchemaKeys()
	for i, k := range n.keys {
		if i > 0 && n.keys[i-1].Blocks[0] == k.Blocks[0] {
			continue
		}
		again := rounds
		if k.Blocks[0] == "global" || k.Blocks[0] == "peers" || k.Blocks[0] == "bgp" {
			again = 1
		}
		for r := range again {
			n.write(k.Blocks[:1], r)
		}
	}
	return n.vars.String() + n.body.String()
}

// shows names the canaries that a text shows, as they are or in base64.
func (n *nest) shows(t *testing.T, where, text string) {
	t.Helper()
	found := map[string]bool{}
	for c, of := range n.where {
		for _, form := range []string{c, base64.StdEncoding.EncodeToString([]byte(c)), hex.EncodeToString([]byte(c))} {
			if at := strings.Index(text, form); at >= 0 && !found[of] {
				found[of] = true
				t.Errorf("%s shows that of %s: ...%s...", where, of, text[max(0, at-120):min(len(text), at+60)])
			}
		}
	}
}
