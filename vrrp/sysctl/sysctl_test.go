package sysctl

import (
	"errors"
	"io/fs"
	"testing"
)

// TestPath: names in either notation of sysctl(8), also of interfaces with a dot in them.
func TestPath(t *testing.T) {
	for name, want := range map[string]string{
		"net.ipv4.ip_forward":               "/proc/sys/net/ipv4/ip_forward",
		"net/ipv4/ip_forward":               "/proc/sys/net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/7.arp_ignore":   "/proc/sys/net/ipv4/conf/eth0.7/arp_ignore",
		"net/ipv4/conf/eth0.7/arp_ignore":   "/proc/sys/net/ipv4/conf/eth0.7/arp_ignore",
		"net/ipv6/conf/all/disable_ipv6":    "/proc/sys/net/ipv6/conf/all/disable_ipv6",
		"kernel.random.boot_id":             "/proc/sys/kernel/random/boot_id",
		"net.ipv4.neigh.default.gc_thresh3": "/proc/sys/net/ipv4/neigh/default/gc_thresh3",
	} {
		if got := path(name); got != want {
			t.Errorf("%s is %s; want %s", name, got, want)
		}
	}
}

func TestGet(t *testing.T) {
	if v, err := Get("kernel.ostype"); v != "Linux" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if _, err := Get("net.ipv4.conf.none7.arp_ignore"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an interface that is not there: %v", err)
	}
	if err := Set("net/ipv4/conf/none7/arp_ignore", "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of an interface that is not there: %v", err)
	}
	if !Has("kernel") || Has("kernel.none") {
		t.Error("what there is is not known")
	}
	if one, two := Boot(), Boot(); len(one) != 36 || one != two {
		t.Errorf("boots %q and %q", one, two)
	}
}
