package conftest

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"usher/conf"
)

// another is another value of a key: what the schema cannot tell.
type another struct {
	value string   // an expression; "" for one of the schema's
	in    string   // label of the top block whose key is changed; "" for the first that has it
	given string   // other keys of the block, before and after: "key = value; key = value"
	drop  string   // another key, which the new value forbids
	more  []string // values besides the first that are to be tried, too
	one   bool     // there is but one value, or none that has an effect
}

// inTLS are the keys of TLS, which is a choice with some checks.
var inTLS = []string{"insecure", "ca_file", "server_name", "cert_file", "key_file", "min_version", "alpn", "expiry_warning"}

// needs is what a key needs in its block, whichever block of the kind that is.
func needs(block, key string) string {
	if !slices.Contains(inTLS, key) {
		return ""
	}
	return map[string]string{"health_check tcp": "tls = true;", "health_check grpc": "tls = true;", "health_check smtp": "starttls = true;"}[block]
}

// others have the value of each key of which the schema knows none, and what keys need
// beside them. A key is looked for by its whole path, then by its block, then by its name.
func others() map[string]another {
	pem := another{value: `"b.pem"`}
	return map[string]another{
		"router_id": {value: `"lb2"`}, "http": {value: `"127.0.0.1:9767"`}, "http_hosts": {value: `["lb.example.org"]`},
		"state": {value: `"elsewhere"`}, "control": {value: `"elsewhere.sock"`},
		"peers.name": {value: `"first"`}, "peers.listen": {value: `"192.0.2.12:7946"`}, "join": {value: `["192.0.2.12", "192.0.2.13:7947"]`},
		"peers.key": {value: `"another key of 24 bytes."`}, "old_key": {value: `"another key of 24 bytes."`},
		"peers.key_file": {value: `"other-peers-key"`, given: `key =; key_file = "peers-key"`}, "old_key_file": {value: `"other-peers-key"`},
		"listen": {value: `"127.0.0.1:9768"`}, "client_ca_file": pem, "ca_file": pem,
		"cert_file": {value: `"b.pem"`, given: `key_file = "a.key"`}, "key_file": {value: `"b.key"`, given: `cert_file = "a.pem"`},
		"sync.interface": {value: `"eth1"`}, "sync.instance": {value: `"uni"`}, "sync.group": {value: `"224.0.0.82"`},

		"command": {value: `["/bin/true", "again"]`}, "user": {value: `"nobody"`}, "secret": {value: `"hush"`}, "secret_file": {value: `"secret"`},
		"server": {value: `"mail2.example.org"`}, "from": {value: `"usher2@example.org"`}, "to": {value: `["admin@example.org"]`},
		"email.user": {value: `"other"`, given: `user = "usher"; password = "x"`}, "email.password": {value: `"hush"`, given: `user = "usher"; password = "x"`},
		"email.password_file": {value: `"secret"`, given: `user = "usher"`}, "helo": {value: `"lb.example.org"`},

		"vrrp_instance.interface": {value: `"eth1"`, in: "one"}, "vrf": {value: `"blue"`, in: "routed"},
		"vrrp_instance.virtual_addresses": {value: `["192.0.2.200/32", "fe80::200/64", "192.0.2.205/32"]`},
		"no_virtual_addresses":            {in: "three", value: "true", drop: "virtual_addresses"},
		"vrrp_instance.version":           {value: "2", in: "one"}, "vrrp_instance.priority": {value: "120", more: []string{"90", "200"}},
		"multicast_group4": {value: `"224.0.0.81"`}, "multicast_group6": {value: `"ff02::13"`},
		"source4": {value: `"192.0.2.99"`}, "source6": {value: `"fe80::99"`},
		"virtual_address.track": {given: `interface = "eth1"`}, "authentication.type": {one: true}, // each needs keys that the other forbids
		"active_key": {value: "2", in: "signed"}, "authentication.mode": {in: "signed", value: `"permissive"`, more: []string{`"receive-only"`}},
		"anti_replay": {in: "signed", value: `"monotonic"`}, "window": {in: "signed", value: `"9s"`},
		"vrrp_instance authentication key.secret":      {in: "signed", value: `"some other secret of many letters"`},
		"vrrp_instance authentication key.secret_file": {in: "signed", value: `"other-key"`, given: `secret =; secret_file = "key"`},
		"virtual_address.interface":                    {value: `"eth1"`}, "label": {value: `"eth0:1"`},
		"virtual_route.via": {value: `"192.0.2.2"`}, "virtual_route.source": {value: `"192.0.2.200"`}, "virtual_route.interface": {value: `"eth1"`},
		"virtual_rule.from": {value: `"192.0.2.201/32"`}, "virtual_rule.to": {value: `"198.51.100.0/24"`}, "virtual_rule.interface": {value: `"eth1"`},
		"virtual_rule.mask": {given: "mark = 1"},
		"unicast.source":    {value: `"192.0.2.99"`}, "unicast.peers": {in: "routed", value: `["192.0.2.14"]`, more: []string{`["PEER", "192.0.2.14"]`}},
		"authentication.password": {value: `"hush"`}, "password_file": {value: `"secret"`}, "ping": {value: `["192.0.2.2"]`},
		"authentication.password_file": {value: `"secret"`, given: `password =; password_file = "old"`},
		"vrrp_sync_group.instances":    {value: `["one", "two", "three"]`},

		"bfd.address": {value: `"192.0.2.2"`}, "bfd.interface": {value: `"eth1"`}, "bfd.source": {value: `"192.0.2.10"`},

		"virtual_server.address": {value: `"192.0.2.200:81"`}, "virtual_server.fwmark": {value: "8", in: "mark"}, "virtual_server.family": {value: `"ipv6"`, in: "any"},
		"virtual_server.hysteresis": {given: "quorum = 2; weight = 2"}, "lower_threshold": {given: "upper_threshold = 100"},
		"tunnel.port": {value: "5556", given: `type = "gue"; port = 5555`}, "tunnel.checksum": {given: `type = "gre"`},
		"virtual_server.protocol": {value: `"udp"`, in: "full"}, "one_packet": {in: "tunnel"},
		"persistence_netmask": {value: `"255.255.255.0"`, given: `persistence = "60s"`}, "persistence_engine": {in: "tunnel", given: `persistence = "60s"`},
		"snat_addresses": {value: `["192.0.2.33/32"]`, in: "full"},

		"bgp.router_id": {value: `"192.0.2.99"`}, "peer.source": {value: `"192.0.2.98"`}, "peer.password": {value: `"hush"`}, "next_hop4": {value: `"192.0.2.97"`}, "next_hop6": {value: `"2001:db8::97"`},
		"announce.addresses": {value: `["192.0.2.250/32", "192.0.2.251/32"]`}, "announce.virtual_servers": {value: `["mark", "any"]`}, "communities": {value: `["65000:100"]`},
		"announce.instance": {value: `"web"`},

		"discover.servers": {value: `["192.0.2.53"]`}, "discover.paths": {value: `["/etc/usher/other*.yml"]`}, "url": {value: `"https://cmdb.example/other"`},
		"token_file": {value: `"secret"`}, "discover.cert_file": {value: `"b.pem"`, given: `key_file = "a.key"; cert_file = "a.pem"`},
		"discover.key_file": {value: `"b.key"`, given: `key_file = "a.key"; cert_file = "a.pem"`},

		"name": {value: `"other"`}, "address": {value: `"10.0.0.77"`}, "bind_address": {value: `"10.0.0.78"`}, "health_check.interface": {value: `"eth1"`},
		"health_check.cert_file": {value: `"b.pem"`, given: `key_file = "a.key"; cert_file = "a.pem"`}, "health_check.key_file": {value: `"b.key"`, given: `key_file = "a.key"; cert_file = "a.pem"`},
		"health_check https.alpn": {value: `["http/1.1"]`}, "health_check.via": {value: `"service"`, given: "port ="}, "health_check ping.via": {one: true}, "health_check agent.via": {one: true}, "health_check bfd.via": {one: true},
		"health_check bfd.source": {value: `"192.0.2.10"`},
		"slow":                    {value: `"100ms"`}, "health_check udp.slow": {value: `"100ms"`, given: "require_reply = true"}, "slow_weight": {given: `slow = "100ms"`},
		"health_check udp.slow_weight": {given: `slow = "100ms"; require_reply = true`},
		"send":                         {value: `"hello"`, given: `expect = "x"`}, "health_check agent.send": {value: `"hello"`}, "expect": {value: `"ok"`}, "expect_regex": {value: `"ok"`},
		"server_name": {value: `"www.example.org"`}, "alpn": {value: `["h2"]`},
		"method": {value: `"HEAD"`}, "path": {value: `"/other"`}, "paths": {value: `["/a", "/b"]`}, "host": {value: `"www.example.org"`},
		"headers": {value: `{ X-Probe = "usher" }`}, "body": {value: `"{}"`}, "content_type": {value: `"text/plain"`, given: `body = "{}"`},
		"expect_status": {value: `["204"]`}, "expect_body": {value: `"ok"`},
		"expect_body_regex": {value: `"ok"`}, "reject_body_regex": {value: `"bad"`}, "expect_json": {value: `{ status = "ok" }`},
		"expect_body_sha256": {value: `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`}, "expect_body_md5": {value: `"d41d8cd98f00b204e9800998ecf8427e"`},
		"auth": {given: `auth_file = "secret"; auth_user = "a"; auth = "basic"`, value: `"bearer"`, drop: "auth_user"}, "auth_user": {value: `"b"`, given: `auth = "basic"; auth_file = "secret"; auth_user = "a"`},
		"auth_file": {value: `"old"`, given: `auth = "bearer"; auth_file = "secret"`}, "auth_env": {value: `"B"`, given: `auth = "bearer"; auth_env = "A"`},
		"payload": {value: `"ping"`}, "payload_hex": {value: `"dead"`}, "health_check udp.expect": {value: `"pong"`, given: "require_reply = true"}, "expect_hex": {value: `"dead"`, given: "require_reply = true"},
		"question": {value: `"example.org"`}, "expect_answers": {value: `["192.0.2.1"]`}, "service": {value: `"usher.Test"`}, "authority": {value: `"www.example.org"`},
		"database": {value: `"other"`, given: `user = "usher"`}, "health_check.password_file": {value: `"secret"`, given: `user = "usher"`},
		"password_env": {value: `"B"`, given: `user = "usher"`}, "environment": {value: `{ A = "1" }`}, "health_check file.path": {value: `"/etc/usher/other"`},
	}
}

// Change is a configuration of each director of a pair, before and after one key of it
// has another value.
type Change struct {
	Key           string          // as in "vrrp_instance.priority", with " = VALUE" where several are tried
	Value         string          // the other one, as an expression of HCL
	Before, After [2]*conf.Config // by Role
}

// Changes makes one of every key of the schema that is in one of these blocks. Where the
// table knows no other valid value of a key, the test fails: a new key needs an entry. Only
// the configurations of these directors are made, where some are given.
func Changes(t *testing.T, of func(blocks []string) bool, roles ...Role) (all []Change) {
	t.Helper()
	if len(roles) == 0 {
		roles = []Role{Active, Backup}
	}
	dir := newFolder(t)
	table := others()
	for _, k := range conf.SchemaKeys() {
		if !of(k.Blocks) {
			continue
		}
		name := k.String()
		last := k.Blocks[len(k.Blocks)-1]
		o := entry(table, k)
		o.given = needs(last, k.Name) + o.given
		values := k.Values
		if o.value != "" {
			values = []string{o.value}
		}
		for _, value := range o.more {
			c, why := changeOf(t, dir, k, o, []string{value}, roles)
			if c == nil {
				t.Errorf("%s = %s: %s", name, value, why)
				continue
			}
			c.Key += " = " + value
			all = append(all, *c)
		}
		c, why := changeOf(t, dir, k, o, values, roles)
		if o.one && c != nil {
			t.Errorf("%s: the table says that there is no other valid value", name)
		}
		if c == nil {
			if o.one || strings.Contains(why, "A check of type "+strings.TrimPrefix(last, "health_check ")+" has no ") {
				continue
			}
			t.Errorf("%s: no other valid value: add one to the table. %s", name, why)
			continue
		}
		all = append(all, *c)
	}
	return all
}

// changeOf tries values until one makes a valid configuration that differs.
func changeOf(t *testing.T, dir *folder, k conf.SchemaKey, o another, values []string, roles []Role) (_ *Change, why string) {
	t.Helper()
	c := &Change{Key: k.String()}
	var edits [2]*edit
	for _, r := range roles {
		edits[r] = newEdit(t, base(r, dir.path, k.Blocks))
		body := edits[r].body(k.Blocks, o.in)
		if body == nil {
			return nil, ""
		}
		give(body, o.given)
		var diags conf.Diagnostics
		if c.Before[r], diags = dir.load(edits[r].text()); diags.HasErrors() {
			return nil, diags.Text(false)
		}
	}
	for _, value := range values {
		good := true
		for _, r := range roles {
			set(edits[r].body(k.Blocks, o.in), k.Name, strings.ReplaceAll(value, "PEER", r.Other("192.0.2")))
			if o.drop != "" {
				set(edits[r].body(k.Blocks, o.in), o.drop, "")
			}
			after, diags := dir.load(edits[r].text())
			if diags.HasErrors() || reflect.DeepEqual(after, c.Before[r]) {
				good, why = false, cmp.Or(diags.Text(false), "it says the same")
				break
			}
			c.After[r] = after
		}
		if good {
			c.Value = value
			return c, ""
		}
	}
	return nil, why
}

// Defaults are, for every key of the schema that has a default, a configuration that does
// not give it, Before, and one that gives its default, After: both should say the same.
// They are the active director's, of the keys in blocks that of wants. Keys that cannot be
// given where the configuration has their block are left out.
func Defaults(t *testing.T, of func(blocks []string) bool) (all []Change) {
	t.Helper()
	dir := newFolder(t)
	table := others()
	for _, k := range conf.SchemaKeys() {
		if k.Default == "" || !of(k.Blocks) {
			continue
		}
		o := entry(table, k)
		for _, given := range []string{needs(k.Blocks[len(k.Blocks)-1], k.Name), needs(k.Blocks[len(k.Blocks)-1], k.Name) + o.given} {
			if c := defaultOf(t, dir, k, o.in, given); c != nil {
				all = append(all, *c)
				break
			}
		}
	}
	return all
}

// entry is what the table has of a key.
func entry(table map[string]another, k conf.SchemaKey) another {
	last := k.Blocks[len(k.Blocks)-1]
	for _, at := range []string{k.String(), last + "." + k.Name, strings.Fields(last)[0] + "." + k.Name, k.Name} {
		if found, ok := table[at]; ok {
			return found
		}
	}
	return another{}
}

// give sets other keys of a block, as in "key = value; key = value".
func give(body *hclwrite.Body, pairs string) {
	for _, pair := range strings.Split(pairs, ";") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			set(body, strings.TrimSpace(key), strings.TrimSpace(value))
		}
	}
}

// defaultOf is one of Defaults; nil where one of the two is not valid.
func defaultOf(t *testing.T, dir *folder, k conf.SchemaKey, in, given string) *Change {
	t.Helper()
	c := &Change{Key: k.String(), Value: k.Default}
	for value, to := range map[string]**conf.Config{"": &c.Before[Active], k.Default: &c.After[Active]} {
		e := newEdit(t, base(Active, dir.path, k.Blocks))
		body := e.body(k.Blocks, in)
		if body == nil {
			return nil
		}
		give(body, given)
		set(body, k.Name, value)
		var diags conf.Diagnostics
		if *to, diags = dir.load(e.text()); diags.HasErrors() {
			return nil
		}
	}
	return c
}
