package conf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/vrrp"
)

// signing is an instance whose authentication has these lines.
func signing(lines ...string) string {
	return "vrrp_instance \"web\" {\n  interface = \"eth0\"\n  virtual_router_id = 51\n  virtual_addresses = [\"192.0.2.1/32\"]\n  advert_interval = \"2700ms\"\n" +
		"  authentication {\n    type = \"hmac\"\n    " + strings.Join(lines, "\n    ") + "\n  }\n}\n"
}

// TestHMAC: keys from wherever they may come, and defaults, both ways of reading.
func TestHMAC(t *testing.T) {
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	const phrase = "correct-horse-battery-staple-0123456789+"
	plain := make([]byte, 32)
	for i := range plain {
		plain[i] = byte(i)
	}
	for name, text := range map[string]string{"phrase": phrase + "\r\n", "digits": "hex:" + fmt.Sprintf("%X\n", plain), "credentials/vrrp-1": phrase + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	written := signing(`active_key = 255`,
		`key "1" { secret = file("phrase") }`, `key "2" { secret = file("digits") }`, `key "3" { secret_file = "phrase" }`, `key "4" { secret = credential("vrrp-1") }`,
		`key "5" { secret = "hex:0001020304050607 08090A0B0C0D0E0F	1011121314151617 18191a1b1c1d1e1f" }`, `key "255" { secret = chomp(file("phrase")) }`)
	want := &vrrp.HMAC{ActiveKey: 255, AntiReplay: vrrp.AntiReplayTime, Window: 6 * time.Second, Mode: vrrp.HMACEnforce}
	for id, secret := range map[uint8]string{1: phrase, 2: string(plain), 3: phrase, 4: phrase, 5: string(plain), 255: phrase} {
		want.Keys = append(want.Keys, vrrp.HMACKey{ID: id, Secret: vrrp.Secret(secret)})
	}
	slices.SortFunc(want.Keys, func(a, b vrrp.HMACKey) int { return int(a.ID) - int(b.ID) })
	for _, look := range []bool{false, true} { // Inspect reads the thorough way
		c, diags := (&Loader{how: loading{look: look}}).load([]text{{filepath.Join(dir, "usher.hcl"), []byte(written)}}, nil, nil)
		if c == nil || len(diags) > 0 {
			t.Fatal(diags.Text(false))
		}
		if got := c.Instances[0].HMAC; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		shown, err := json.Marshal(c.Redacted())
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range c.Secrets() {
			if strings.Contains(string(shown), secret) {
				t.Errorf("shown: %s", shown)
			}
		}
		if strings.Contains(string(shown), "horse") || !strings.Contains(string(shown), `"active_key":255`) {
			t.Errorf("shown: %s", shown)
		}
		for _, secret := range []string{phrase, string(plain), fmt.Sprintf("hex:%X", plain)} {
			if !slices.Contains(c.Secrets(), secret) {
				t.Errorf("%q is not among the secrets %q", secret, c.Secrets())
			}
		}
		for _, file := range []string{"phrase", "digits", "credentials/vrrp-1"} {
			if !slices.Contains(c.Files, filepath.Join(dir, file)) {
				t.Errorf("%s is not among the files %q", file, c.Files)
			}
		}
	}
}

// TestHMAC_Refused: what keepalived lets pass, with its authentication switched off or
// another key than was meant, is an error here.
func TestHMAC_Refused(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	write := func(name string, mode os.FileMode, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	good := []byte("correct-horse-battery-staple-0123456789+\n")
	write("open", 0o644, good)
	write("open.hex", 0o604, []byte("hex:"+strings.Repeat("07", 32)))
	write("short", 0o600, []byte("thirty-one bytes are not enough"))
	write("binary", 0o600, bytes.Repeat([]byte{0xff, 0}, 20))
	for _, c := range []struct{ key, want string }{
		{`key "1" { secret = file("open") }`, "Key open to everybody"},
		{`key "1" { secret = trimspace(file("open")) }`, "chmod o= "},
		{`key "1" { secret_file = "open.hex" }`, "Key open to everybody"},
		{`key "1" { secret = file("short") }`, "a key of 31 bytes; it has to have 32 to 64"},
		{`key "1" { secret = file("binary") }`, "no printable ASCII"},
		{`key "1" { secret = file("missing") }`, "no such file"},
		{`key "1" { secret = file([for x in ["missing"] : "${x}-2"][0]) }`, "missing-2: no such file"},
		{`key "1" { secret = file(".") }`, "not a regular file"},
		{`key "1" { secret = credential("vrrp") }`, "LoadCredential=vrrp:PATH"},
		{`key "1" { secret = credential("a/b") }`, "is not the name of a credential"},
	} {
		got, diags := (&Loader{}).load([]text{{filepath.Join(dir, "usher.hcl"), []byte(signing("active_key = 1", c.key))}}, nil, nil)
		told := diags.Text(false)
		if got != nil || !strings.Contains(told, c.want) || strings.Contains(told, "horse") || !strings.Contains(told, "line 9") {
			t.Errorf("%s: want %q at its line, got:\n%s", c.key, c.want, told)
		}
	}
}
