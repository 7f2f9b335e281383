package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// TestElsewhere: an address counts as elsewhere where no address of the instance belongs,
// whatever else of the instance the interface carries.
func TestElsewhere(t *testing.T) {
	web := Config{Interface: "eth0", VRID: 51, VirtualMAC: true, Priority: 100, Addresses: []Address{
		{Prefix: netip.MustParsePrefix("192.0.2.1/32")},
		{Prefix: netip.MustParsePrefix("192.0.2.2/24"), Interface: "eth1"},
		{Prefix: netip.MustParsePrefix("2001:db8::1/128")},
	}}
	owner := web
	owner.Priority = OwnerPriority
	for _, c := range []struct {
		config   Config
		name     string
		prefix   string
		lifetime time.Duration
		on       string // "" for not elsewhere
	}{
		{web, "eth0", "192.0.2.1/32", 0, ""}, // its own place: Foreign's
		{web, VirtualDevice(web, false), "192.0.2.1/32", 0, ""},
		{web, "lo", "192.0.2.1/32", 0, "eth0"},
		{web, "lo", "192.0.2.1/8", 0, "eth0"},    // with another length
		{web, "eth1", "192.0.2.1/32", 0, "eth0"}, // where another of its addresses belongs
		{web, "eth0", "192.0.2.2/24", 0, "eth1"},
		{web, VirtualDevice(web, false), "192.0.2.2/24", 0, "eth1"},
		{web, "lo", "192.0.2.1/32", 2 * time.Second, ""}, // a lease
		{web, "lo", "192.0.2.3/32", 0, ""},
		{web, "lo", "2001:db8::1/128", 0, ""}, // IPv6 answers on its own link alone
		{owner, "lo", "192.0.2.1/32", 0, ""},
	} {
		l := LocalAddress{Interface: c.name, Prefix: netip.MustParsePrefix(c.prefix), Lifetime: c.lifetime}
		on, there := c.config.Elsewhere(l)
		if on != c.on || there != (c.on != "") {
			t.Errorf("%s on %s: %q, %t; want %q", c.prefix, c.name, on, there, c.on)
		}
		if there && c.config.Foreign(l) != "" {
			t.Errorf("%s on %s is told twice", c.prefix, c.name)
		}
	}
}
