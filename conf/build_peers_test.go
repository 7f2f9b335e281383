package conf_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/conf"
)

// loadPeers loads a block with these lines.
func loadPeers(t *testing.T, lines ...string) (*conf.Config, string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "usher.hcl")
	text := "global {\n  router_id = \"lb1\"\n  state = \"" + dir + "\"\n}\npeers {\n  " + strings.Join(lines, "\n  ") + "\n}\n"
	for name, mode := range map[string]os.FileMode{"good.key": 0o600, "open.key": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(thirtyTwo+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := conf.Load([]string{file}, nil)
	return c, diags.Text(false)
}

const thirtyTwo = "a key of 32 bytes, as it is read"

// TestPeersKeys: a key is taken as people make it, and nobody is shown it.
func TestPeersKeys(t *testing.T) {
	bytes32 := make([]byte, 32)
	for i := range bytes32 {
		bytes32[i] = byte(37 * i)
	}
	for name, c := range map[string]struct {
		line string
		want string
	}{
		"16 bytes":                {`key = "sixteen bytes, 1"`, "sixteen bytes, 1"},
		"32 bytes":                {`key = "` + thirtyTwo + `"`, thirtyTwo},
		"a file":                  {`key = file("good.key")`, thirtyTwo},
		"key_file":                {`key_file = "good.key"`, thirtyTwo},
		"openssl rand -base64 32": {`key = "` + base64.StdEncoding.EncodeToString(bytes32) + `"`, string(bytes32)},
		"with its line end":       {`key = "` + base64.StdEncoding.EncodeToString(bytes32) + `\n"`, string(bytes32)},
		"openssl rand -base64 16": {`key = "` + base64.StdEncoding.EncodeToString(bytes32[:16]) + `"`, base64.StdEncoding.EncodeToString(bytes32[:16])},
		"openssl rand -hex 32":    {`key = "` + hex.EncodeToString(bytes32) + `"`, string(bytes32)},
		"openssl rand -hex 24":    {`key = "` + hex.EncodeToString(bytes32[:24]) + `"`, string(bytes32[:24])},
	} {
		t.Run(name, func(t *testing.T) {
			c2, text := loadPeers(t, `listen = "192.0.2.1"`, c.line)
			if c2 == nil || c2.Peers == nil || string(c2.Peers.Secret) != c.want {
				t.Fatalf("%s", text)
			}
			if got := c2.Peers.Listen.String(); got != "192.0.2.1:7946" || c2.Peers.Name != "lb1" {
				t.Errorf("%s, %s", got, c2.Peers.Name)
			}
			shown, err := json.Marshal(c2.Redacted())
			if err != nil || strings.Contains(string(shown), c.want[:5]) || !strings.Contains(string(shown), `"key":"(hidden)"`) {
				t.Errorf("%v: %s", err, shown)
			}
			var back conf.Config
			kept, err := json.Marshal(c2)
			if err != nil || json.Unmarshal(kept, &back) != nil || string(back.Peers.Secret) != c.want {
				t.Errorf("the last good configuration has %+v, %v", back.Peers, err)
			}
		})
	}
}

// TestPeersRefused: what cannot be is told at its place, with what to do.
func TestPeersRefused(t *testing.T) {
	listen, key := `listen = "192.0.2.1"`, `key = "`+thirtyTwo+`"`
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"no key":               {[]string{listen}, `openssl rand -base64 32 > /etc/usher/peers.key`},
		"an old key alone":     {[]string{listen, `old_key = "` + thirtyTwo + `"`}, "old_key is the key before: give key, too"},
		"a short key":          {[]string{listen, `key = "secret"`}, "16, 24 or 32 bytes, or stands for so many in base64 or hexadecimal; this has 6 characters: openssl rand -base64 32"},
		"no key at all":        {[]string{listen, `key = "aaaaaaaaaaaaaaaa"`}, "nearly nothing but one character"},
		"a file for everybody": {[]string{listen, `key = file("open.key")`}, "chmod o="},
		"key_file likewise":    {[]string{listen, `key_file = "open.key"`}, "chmod o="},
		"two keys":             {[]string{listen, key, `key_file = "good.key"`}, "Give key or key_file, not both"},
		"everywhere":           {[]string{`listen = "0.0.0.0:7946"`, key}, "give the one by which they reach this machine"},
		"a name":               {[]string{`listen = "lb1:7946"`, key}, "it is no IP address"},
		"no port":              {[]string{`listen = "192.0.2.1:0"`, key}, "the port must be 1 to 65535"},
		"a zone":               {[]string{`listen = "[fe80::1%eth0]:7946"`, key}, "an address with a zone"},
		"a group":              {[]string{`listen = "224.0.0.18"`, key}, "it is a multicast group"},
		"a name to join":       {[]string{listen, key, `join = ["192.0.2.2", "lb2.example.org"]`}, `not "lb2.example.org": it is no IP address`},
		"another family":       {[]string{listen, key, `join = ["2001:db8::1"]`}, "of the other family"},
		"no name":              {[]string{listen, key, `name = ""`}, "1 to 128 bytes"},
		"no listen":            {[]string{key}, "listen"},
	} {
		t.Run(name, func(t *testing.T) {
			got, text := loadPeers(t, c.lines...)
			if got != nil || !strings.Contains(strings.Join(strings.Fields(text), " "), c.want) {
				t.Errorf("%q is not in\n%s", c.want, text)
			}
		})
	}
	if c, text := loadPeers(t, `listen = "127.0.0.1:7000"`, `join = ["127.0.0.1:7001", "127.0.0.1:7001", "127.0.0.1"]`); c == nil || len(c.Peers.Join) != 2 || c.Peers.Secret != nil {
		t.Errorf("on loopback no key is needed: %s", text)
	}
}
