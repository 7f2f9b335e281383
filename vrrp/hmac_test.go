package vrrp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func keyOf32(id uint8, fill byte) HMACKey {
	return HMACKey{ID: id, Secret: bytes.Repeat([]byte{fill}, MinHMACKey)}
}

func signing(mode HMACMode, active uint8, keys ...HMACKey) *HMAC {
	return &HMAC{Keys: keys, ActiveKey: active, AntiReplay: AntiReplayTime, Window: 5 * time.Second, Mode: mode}
}

// TestHMACEffect: each step of the roll-out and of a rotation is quiet, and what is left
// out of the way parts those that have it from those that do not.
func TestHMACEffect(t *testing.T) {
	one, two, other := keyOf32(1, 1), keyOf32(2, 2), keyOf32(1, 9)
	for _, c := range []struct {
		name string
		a, b *HMAC
		want Effect
	}{
		{"first step", nil, signing(HMACReceiveOnly, 1, one), Quiet},
		{"second step", signing(HMACReceiveOnly, 1, one), signing(HMACPermissive, 1, one), Quiet},
		{"third step", signing(HMACPermissive, 1, one), signing(HMACEnforce, 1, one), Quiet},
		{"and back", signing(HMACEnforce, 1, one), signing(HMACPermissive, 1, one), Quiet},
		{"without the first", nil, signing(HMACPermissive, 1, one), Parts},
		{"without any", nil, signing(HMACEnforce, 1, one), Parts},
		{"without the second", signing(HMACReceiveOnly, 1, one), signing(HMACEnforce, 1, one), Parts},
		{"taken out at once", signing(HMACEnforce, 1, one), nil, Parts},
		{"key added", signing(HMACEnforce, 1, one), signing(HMACEnforce, 1, one, two), Quiet},
		{"key made active", signing(HMACEnforce, 1, one, two), signing(HMACEnforce, 2, one, two), Quiet},
		{"key taken out", signing(HMACEnforce, 2, one, two), signing(HMACEnforce, 2, two), Quiet},
		{"key exchanged", signing(HMACEnforce, 1, one), signing(HMACEnforce, 2, two), Parts},
		{"key added and active", signing(HMACEnforce, 1, one), signing(HMACEnforce, 2, one, two), Parts},
		{"another secret", signing(HMACEnforce, 1, one), signing(HMACEnforce, 1, other), Parts},
	} {
		got := Changes(Config{HMAC: c.a}, Config{HMAC: c.b})
		if len(got) != 1 || got[0].Key != "hmac" || got[0].Effect != c.want || got[0].From+got[0].To != "" {
			t.Errorf("%s: %+v, want effect %d and no values", c.name, got, c.want)
		}
	}
}

func TestValidate_HMAC(t *testing.T) {
	good := func() *HMAC { return signing(HMACEnforce, 1, keyOf32(1, 1), keyOf32(2, 2)) }
	for _, c := range []struct {
		name  string
		spoil func(c *Config)
		key   string // of the complaint; "" for none
	}{
		{"version 3", func(*Config) {}, ""},
		{"version 2", func(c *Config) { c.Version = 2 }, ""},
		{"64 bytes", func(c *Config) { c.HMAC.Keys[0].Secret = make([]byte, 64) }, ""},
		{"31 bytes", func(c *Config) { c.HMAC.Keys[0].Secret = make([]byte, 31) }, "authentication.key[0].secret"},
		{"65 bytes", func(c *Config) { c.HMAC.Keys[1].Secret = make([]byte, 65) }, "authentication.key[1].secret"},
		{"id 0", func(c *Config) { c.HMAC.Keys[1].ID = 0 }, "authentication.key[1]"},
		{"an id twice", func(c *Config) { c.HMAC.Keys[1].ID = 1 }, "authentication.key[1]"},
		{"no key", func(c *Config) { c.HMAC.Keys = nil }, "authentication"},
		{"no active key", func(c *Config) { c.HMAC.ActiveKey = 0 }, "authentication.active_key"},
		{"active key unknown", func(c *Config) { c.HMAC.ActiveKey = 3 }, "authentication.active_key"},
		{"password, too", func(c *Config) { c.Version, c.Password = 2, "x" }, "authentication.password"},
		{"window 0", func(c *Config) { c.HMAC.Window = 0 }, "authentication.window"},
		{"window 301 s", func(c *Config) { c.HMAC.Window = 301 * time.Second }, "authentication.window"},
		{"window 1.5 s", func(c *Config) { c.HMAC.Window = 1500 * time.Millisecond }, "authentication.window"},
		{"no mode", func(c *Config) { c.HMAC.Mode = "" }, "authentication.mode"},
		{"no anti_replay", func(c *Config) { c.HMAC.AntiReplay = "x" }, "authentication.anti_replay"},
		{"90 IPv6 addresses", func(c *Config) { c.Addresses = addresses6(90) }, "virtual_addresses"},
		{"89 IPv6 addresses", func(c *Config) { c.Addresses = addresses6(89) }, ""},
	} {
		cfg := Config{
			Name: "web", Interface: "eth0", VRID: 51, Priority: 100, Version: 3, Interval: time.Second, DownAdverts: 3, HMAC: good(),
			Addresses: []Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}, Announce: Announce{Repeat: 1},
		}
		c.spoil(&cfg)
		var keys []string
		for _, err := range cfg.Validate() {
			keys = append(keys, fieldError(t, err).Key)
		}
		if got := strings.Join(keys, " "); got != c.key {
			t.Errorf("%s: complains of %q, want %q", c.name, got, c.key)
		}
	}
}

func addresses6(n int) (all []Address) {
	for i := range n {
		all = append(all, Address{Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i + 1)}), 128)})
	}
	return all
}

// TestSecret: nothing that writes for people writes it, and it goes whole to another
// process.
func TestSecret(t *testing.T) {
	k := HMACKey{ID: 1, Secret: Secret("correct-horse-battery-staple-0123456789+")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, &k, k.Secret, []HMACKey{k}, &HMAC{Keys: []HMACKey{k}}} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, "horse") || strings.Contains(text, "686f727365") || strings.Contains(text, "99 111 114") {
				t.Errorf("%s of %T shows %s", verb, v, text)
			}
		}
	}
	b, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	var back HMACKey
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, k) {
		t.Errorf("%s came back otherwise: %v", b, err)
	}
}
