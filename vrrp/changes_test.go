package vrrp

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestChanges_Complete: each key of a Config has an effect, and no other has.
func TestChanges_Complete(t *testing.T) {
	known := effects()
	for i := range reflect.TypeFor[Config]().NumField() {
		key := keyOf(reflect.TypeFor[Config]().Field(i))
		if known[key] == nil {
			t.Errorf("what does a change of %q do?", key)
		}
		delete(known, key)
	}
	for key := range known {
		t.Errorf("there is no key %q", key)
	}
}

func TestChanges(t *testing.T) {
	base := Config{Name: "web", Interface: "eth0", VRID: 51, Priority: 100, Version: 3, Interval: time.Second,
		Addresses: []Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}}
	if c := Changes(base, base); len(c) > 0 || !SameRouter(base, base) {
		t.Errorf("differs from itself: %v", c)
	}
	peers := func(all ...string) *Unicast {
		u := &Unicast{}
		for _, a := range all {
			u.Peers = append(u.Peers, Peer{Address: netip.MustParseAddr(a)})
		}
		return u
	}
	for _, c := range []struct {
		name   string
		before func(*Config)
		after  func(*Config)
		want   Effect
	}{
		{"vrid", nil, func(c *Config) { c.VRID = 52 }, Anew},
		{"virtual mac", nil, func(c *Config) { c.VirtualMAC = true }, Anew},
		{"version", nil, func(c *Config) { c.Version = 2 }, Anew},
		{"another address", nil, func(c *Config) {
			c.Addresses = append(slices.Clone(c.Addresses), Address{Prefix: netip.MustParsePrefix("192.0.2.2/32")})
		}, Quiet},
		{"another family", nil, func(c *Config) {
			c.Addresses = append(slices.Clone(c.Addresses), Address{Prefix: netip.MustParsePrefix("2001:db8::2/128")})
		}, Anew},
		{"another address in version 2", func(c *Config) { c.Version = 2 }, func(c *Config) { c.Addresses = []Address{{Prefix: netip.MustParsePrefix("192.0.2.2/32")}} }, Parts},
		{"the group that it is anyway", nil, func(c *Config) { c.Group4 = netip.MustParseAddr("224.0.0.18") }, Quiet},
		{"another group", nil, func(c *Config) { c.Group4 = netip.MustParseAddr("224.0.0.81") }, Anew},
		{"to unicast", nil, func(c *Config) { c.Unicast = peers("192.0.2.9") }, Anew},
		{"another peer", func(c *Config) { c.Unicast = peers("192.0.2.9") }, func(c *Config) { c.Unicast = peers("192.0.2.8") }, Parts},
		{"one more peer", func(c *Config) { c.Unicast = peers("192.0.2.9") }, func(c *Config) { c.Unicast = peers("192.0.2.8", "192.0.2.9") }, Quiet},
		{"one peer less", func(c *Config) { c.Unicast = peers("192.0.2.8", "192.0.2.9") }, func(c *Config) { c.Unicast = peers("192.0.2.9") }, Parts},
		{"a ttl that the peers take", func(c *Config) { c.Unicast = peers("192.0.2.9") }, func(c *Config) { c.Unicast = peers("192.0.2.9"); c.Unicast.TTL = 64 }, Quiet},
		{"a ttl that they do not take", func(c *Config) { c.Unicast = peers("192.0.2.9"); c.Unicast.Peers[0].MinTTL = 100 }, func(c *Config) {
			c.Unicast = peers("192.0.2.9")
			c.Unicast.Peers[0].MinTTL, c.Unicast.TTL = 100, 64
		}, Parts},
		{"a bound that the peers keep", func(c *Config) { c.Unicast = peers("192.0.2.9") }, func(c *Config) { c.Unicast = peers("192.0.2.9"); c.Unicast.Peers[0].MinTTL = 255 }, Quiet},
		{"a bound that they do not keep", func(c *Config) { c.Unicast = peers("192.0.2.9") }, func(c *Config) { c.Unicast = peers("192.0.2.9"); c.Unicast.Peers[0].MaxTTL = 254 }, Parts},
		{"how often a script runs", func(c *Config) { c.Track = []Track{{Kind: TrackScript, Name: "x"}} }, func(c *Config) { c.Track = []Track{{Kind: TrackScript, Name: "x", Interval: time.Second}} }, Quiet},
		{"the weight of a script", func(c *Config) { c.Track = []Track{{Kind: TrackScript, Name: "x"}} }, func(c *Config) { c.Track = []Track{{Kind: TrackScript, Name: "x", Weight: 1}} }, Weighs},
		{"source", nil, func(c *Config) { c.Source4 = netip.MustParseAddr("192.0.2.5") }, Quiet},
		{"interval", nil, func(c *Config) { c.Interval = time.Minute }, Quiet},
		{"interval in version 2", func(c *Config) { c.Version = 2 }, func(c *Config) { c.Interval = time.Minute }, Parts},
		{"password", nil, func(c *Config) { c.Password = "x" }, Parts},
		{"priority", nil, func(c *Config) { c.Priority = 99 }, Weighs},
		{"lease", nil, func(c *Config) { c.Lease = time.Hour }, Quiet},
	} {
		a := base
		if c.before != nil {
			c.before(&a)
		}
		b := a
		c.after(&b)
		got := Changes(a, b)
		if len(got) != 1 || got[0].Effect != c.want || SameRouter(a, b) != (c.want != Anew) || (got[0].Effect.String() == "") != (c.want == Quiet) {
			t.Errorf("%s: %+v, want %d", c.name, got, c.want)
		}
	}
}
