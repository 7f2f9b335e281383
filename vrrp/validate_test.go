package vrrp

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func valid() Config {
	return Config{
		Name: "web", Interface: "eth0", VRID: 51, Priority: 100, Version: 3, Interval: time.Second, DownAdverts: 3,
		Addresses: []Address{{Prefix: netip.MustParsePrefix("192.0.2.10/24")}},
		Lease:     DefaultLease, Preempt: true, Accept: true,
		Announce: Announce{Repeat: 5, Delay: 5 * time.Second, Refresh: time.Minute},
	}
}

func addresses(list ...string) []Address {
	var out []Address
	for _, s := range list {
		out = append(out, Address{Prefix: netip.MustParsePrefix(s)})
	}
	return out
}

// unbound makes an instance one that names no interface.
func unbound(c *Config) {
	c.Interface, c.Source4 = "", netip.MustParseAddr("192.0.2.5")
	c.Addresses[0].Interface = "lo"
	c.Unicast = &Unicast{Peers: []Peer{{Address: netip.MustParseAddr("198.51.100.7")}}}
}

// TestValidate breaks one thing at a time; the error has to name it.
func TestValidate(t *testing.T) {
	without := valid()
	unbound(&without)
	bare := valid() // advertises none
	bare.NoAddresses, bare.Addresses[0].Excluded = true, true
	barest := bare
	barest.Addresses = nil
	for _, c := range []Config{valid(), without, bare, barest} {
		if errs := c.Validate(); len(errs) != 0 {
			t.Fatalf("a right configuration: %v", errs)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		key    string
		text   string
	}{
		{"no interface", func(c *Config) { c.Interface = "" }, "interface", "no interface"},
		{"no interface but unicast without a source", func(c *Config) { unbound(c); c.Source4 = netip.Addr{} }, "interface", "no interface"},
		{"no interface for an address", func(c *Config) { unbound(c); c.Addresses[0].Interface = "" }, "virtual_addresses[0]", "no interface is given for 192.0.2.10/24"},
		{"no interface and a link-local peer", func(c *Config) {
			unbound(c)
			c.Addresses = []Address{{Prefix: netip.MustParsePrefix("fe80::10/64"), Interface: "lo"}}
			c.Source6, c.Unicast.Peers = netip.MustParseAddr("2001:db8::5"), []Peer{{Address: netip.MustParseAddr("fe80::7")}}
		}, "unicast.peers[0]", "different one on each interface"},
		{"no interface and a virtual MAC", func(c *Config) { unbound(c); c.VirtualMAC = true }, "virtual_mac", "needs an interface"},
		{"a local route behind a virtual MAC", func(c *Config) { c.Bind, c.VirtualMAC = BindLocalRoute, true }, "bind", "answers ARP only for addresses that are on it"},
		{"a VRF and an interface", func(c *Config) { c.VRF = "red" }, "vrf", "in its VRF already"},
		{"long interface", func(c *Config) { c.Interface = "abcdefghijklmnop" }, "interface", "longer than the 15"},
		{"interface with a slash", func(c *Config) { c.Interface = "a/b" }, "interface", "character"},
		{"VRID 0", func(c *Config) { c.VRID = 0 }, "virtual_router_id", "0 is out of range"},
		{"priority 0", func(c *Config) { c.Priority = 0 }, "priority", "0 is out of range"},
		{"version 4", func(c *Config) { c.Version = 4 }, "version", "no VRRP version 4"},
		{"interval 5 ms", func(c *Config) { c.Interval = 5 * time.Millisecond }, "advert_interval", "cannot carry 5ms"},
		{"interval 15 ms", func(c *Config) { c.Interval = 15 * time.Millisecond }, "advert_interval", "cannot carry 15ms"},
		{"interval 41 s", func(c *Config) { c.Interval = 41 * time.Second }, "advert_interval", "cannot carry 41s"},
		{"version 2 and 1.5 s", func(c *Config) { c.Version, c.Interval = 2, 1500*time.Millisecond }, "advert_interval", "whole seconds"},
		{"down adverts 0", func(c *Config) { c.DownAdverts = 0 }, "down_timer_adverts", "out of range"},
		{"no address", func(c *Config) { c.Addresses = nil }, "virtual_addresses", "has to carry an address"},
		{"an address, and that there is none", func(c *Config) { c.NoAddresses = true }, "no_virtual_addresses", "there are addresses to advertise"},
		{"no address, IPv6 in version 2", func(c *Config) {
			c.Version, c.NoAddresses, c.Addresses = 2, true, nil
			c.Unicast = &Unicast{Peers: []Peer{{Address: netip.MustParseAddr("2001:db8::3")}}}
		}, "version", "IPv4 only"},
		{"no address, peers of two families", func(c *Config) {
			c.NoAddresses, c.Addresses = true, nil
			c.Unicast = &Unicast{Peers: []Peer{{Address: netip.MustParseAddr("192.0.2.3")}, {Address: netip.MustParseAddr("2001:db8::3")}}}
		}, "unicast.peers[1]", "another family than the first peer"},
		{"the network's own address", func(c *Config) { c.Addresses = addresses("192.0.2.0/24") }, "virtual_addresses[0]", "network"},
		{"broadcast address", func(c *Config) { c.Addresses = addresses("192.0.2.255/24") }, "virtual_addresses[0]", "broadcast address of the network 192.0.2.0/24"},
		{"broadcast of a /20", func(c *Config) { c.Addresses = addresses("10.0.15.255/20") }, "virtual_addresses[0]", "broadcast"},
		{"multicast address", func(c *Config) { c.Addresses = addresses("224.0.0.5/32") }, "virtual_addresses[0]", "cannot be"},
		{"address twice", func(c *Config) { c.Addresses = addresses("192.0.2.10/24", "192.0.2.10/32") }, "virtual_addresses[1]", "twice"},
		{"own interface untracked", func(c *Config) { c.Addresses[0].Untracked = true }, "virtual_addresses[0].track", "own interface"},
		{"IPv6 in version 2", func(c *Config) { c.Version, c.Addresses = 2, addresses("fe80::1/64") }, "virtual_addresses", "IPv4 only"},
		{"lease 1.5 s", func(c *Config) { c.Lease = 1500 * time.Millisecond }, "lease", "in seconds"},
		{"negative lease", func(c *Config) { c.Lease = -time.Second }, "lease", "not between"},
		{"delay without preempt", func(c *Config) { c.Preempt, c.PreemptDelay = false, time.Second }, "preempt_delay", "preempt = false"},
		{"interface down for longer than the peers wait", func(c *Config) { c.DownAdverts, c.Interval, c.InterfaceDownDelay = 3, time.Second, 2*time.Second }, "interface_down_delay", "give less than 2s"},
		{"delay of the owner", func(c *Config) { c.Priority, c.PreemptDelay = 255, time.Second }, "preempt_delay", "always preempts"},
		{"password in version 3", func(c *Config) { c.Password = "secret" }, "authentication", "no authentication"},
		{"long password", func(c *Config) { c.Version, c.Password = 2, "secret789" }, "authentication.password", "9 bytes"},
		{"checksum in version 2", func(c *Config) { c.Version, c.Checksum = 2, ChecksumRFC9568 }, "checksum", "one form"},
		{"group not multicast", func(c *Config) { c.Group4 = netip.MustParseAddr("192.0.2.1") }, "multicast_group4", "no multicast"},
		{"source is a virtual address", func(c *Config) { c.Source4 = netip.MustParseAddr("192.0.2.10") }, "source4", "virtual address"},
		{"global IPv6 source", func(c *Config) { c.Source6 = netip.MustParseAddr("2001:db8::9") }, "source6", "link-local"},
		{"unicast without peers", func(c *Config) { c.Unicast = &Unicast{} }, "unicast.peers", "nobody"},
		{"peer twice", func(c *Config) {
			p := Peer{Address: netip.MustParseAddr("192.0.2.3")}
			c.Unicast = &Unicast{Peers: []Peer{p, p}}
		}, "unicast.peers[1]", "twice"},
		{"peer of the other family", func(c *Config) {
			c.Unicast = &Unicast{Peers: []Peer{{Address: netip.MustParseAddr("192.0.2.3")}, {Address: netip.MustParseAddr("2001:db8::3")}}}
		}, "unicast.peers[1]", "family"},
		{"TTL range", func(c *Config) {
			c.Unicast = &Unicast{Peers: []Peer{{Address: netip.MustParseAddr("192.0.2.3"), MinTTL: 9, MaxTTL: 3}}}
		}, "unicast.peers[0].min_ttl", "above"},
		{"repeat 0", func(c *Config) { c.Announce.Repeat = 0 }, "garp.repeat", "out of range"},
		{"negative refresh", func(c *Config) { c.Announce.Refresh = -1 }, "garp.refresh", "negative"},
		{"weight 300", func(c *Config) { c.Track = []Track{{Kind: TrackInterface, Name: "eth1", Weight: 300}} }, "track[0].weight", "out of range"},
		{"script without command", func(c *Config) {
			c.Track = []Track{{Kind: TrackScript, Name: "x", Interval: 1, Timeout: 1, Rise: 1, Fall: 1}}
		}, "track[0].command", "no command"},
		{"tracked twice", func(c *Config) {
			c.Track = []Track{{Kind: TrackFile, Name: "f"}, {Kind: TrackFile, Name: "f"}}
		}, "track[1]", "twice"},
		{"owner with a weight", func(c *Config) {
			c.Priority, c.Track = 255, []Track{{Kind: TrackInterface, Name: "eth1", Weight: -5}}
		}, "track[0].weight", "never altered"},
		{"witness without addresses", func(c *Config) { c.Witness = &Witness{Interval: 1, Timeout: 1} }, "witness.ping", "no address"},
		{"route of two families", func(c *Config) {
			c.Routes = []Route{{To: netip.MustParsePrefix("10.0.0.0/8"), Via: netip.MustParseAddr("fe80::1")}}
		}, "virtual_route[0].via", "another family"},
		{"rule without table", func(c *Config) { c.Rules = []Rule{{From: netip.MustParsePrefix("10.0.0.0/8")}} }, "virtual_rule[0].table", "no table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := valid()
			c.change(&cfg)
			errs := cfg.Validate()
			if !slices.ContainsFunc(errs, func(err error) bool {
				fe := fieldError(t, err)
				return fe.Field() == c.key && fe.Instance() == "web" && strings.Contains(err.Error(), c.text)
			}) {
				t.Errorf("want an error at %s with %q, have %v", c.key, c.text, errs)
			}
			if len(errs) != 1 {
				t.Errorf("one thing is wrong, have %d errors: %v", len(errs), errs)
			}
		})
	}
}

// TestValidate_AllAtOnce: every error is reported, not the first one.
func TestValidate_AllAtOnce(t *testing.T) {
	cfg := Config{Name: "x", Version: 3, Interval: time.Second, DownAdverts: 3, Announce: Announce{Repeat: 1}}
	if errs := cfg.Validate(); len(errs) != 4 {
		t.Errorf("interface, VRID, priority and addresses are missing, have %v", errs)
	}
}

func TestValidateSet(t *testing.T) {
	a := valid()
	b := valid()
	b.Name, b.Addresses = "old", addresses("192.0.2.11/24")
	check := func(name, instance, key string, d Desired) {
		t.Helper()
		for _, err := range ValidateSet(d) {
			if fe := fieldError(t, err); fe.Instance() == instance && fe.Field() == key {
				return
			}
		}
		t.Errorf("%s: no error of %s at %s in %v", name, instance, key, ValidateSet(d))
	}
	check("one VRID on one interface", "old", "virtual_router_id", Desired{Instances: []Config{a, b}})
	other := b
	other.Interface = "eth1"
	if errs := ValidateSet(Desired{Instances: []Config{a, other}}); len(errs) != 0 {
		t.Errorf("one VRID on two interfaces: %v", errs)
	}
	group := b
	group.Group4 = netip.MustParseAddr("224.0.0.200")
	if errs := ValidateSet(Desired{Instances: []Config{a, group}}); len(errs) != 0 {
		t.Errorf("one VRID in two multicast groups: %v", errs)
	}
	same := b
	same.VRID, same.Addresses = 52, a.Addresses
	check("one address twice", "old", "virtual_addresses[0]", Desired{Instances: []Config{a, same}})
	twin := b
	twin.Name, twin.VRID = "web", 52
	check("one name twice", "web", "name", Desired{Instances: []Config{a, twin}})
	check("unknown member", "g", "instances[0]", Desired{Instances: []Config{a}, Groups: []Group{{Name: "g", Instances: []string{"wbe"}}}})
	check("member of two groups", "h", "instances[0]", Desired{Instances: []Config{a}, Groups: []Group{
		{Name: "g", Instances: []string{"web"}}, {Name: "h", Instances: []string{"web"}},
	}})
	mac, local := a, b
	mac.VirtualMAC, local.VRID, local.Bind = true, 52, BindLocalRoute
	check("a local route behind another's virtual MAC", "old", "bind", Desired{Instances: []Config{mac, local}})
	check("a virtual MAC before another's local route", "web", "virtual_mac", Desired{Instances: []Config{local, mac}})
	there := local
	there.Interface, there.Addresses = "eth1", []Address{{Prefix: b.Addresses[0].Prefix, Interface: mac.Interface}}
	check("an address with an interface of its own", "old", "bind", Desired{Instances: []Config{mac, there}})
	there.Addresses = addresses("192.0.2.11/24")
	if errs := ValidateSet(Desired{Instances: []Config{mac, there}}); len(errs) != 0 {
		t.Errorf("on two interfaces: %v", errs)
	}
	check("empty group", "g", "instances", Desired{Groups: []Group{{Name: "g"}}})
}

// fieldError is what every error of Validate is.
func fieldError(t *testing.T, err error) *FieldError {
	t.Helper()
	var e *FieldError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no FieldError", err)
	}
	return e
}
