package rtnl

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/sysctl"
	"usher/vrrp/vip"
)

// TestUsableAtOnce: an IPv6 address does not wait for the detection of duplicates.
func TestUsableAtOnce(t *testing.T) {
	pair(t)
	k := open(t)
	a := vip.Address{Link: "u0", Prefix: netip.MustParsePrefix("2001:db8::1/64"), Lease: time.Minute}
	if err := k.Add(a); err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: a.Prefix.Addr().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestNewHardwareAddress: neighbours learn the interface's new address.
func TestNewHardwareAddress(t *testing.T) {
	pair(t)
	heard := hear(t)
	m := vip.New(vip.Options{Kernel: open(t)})
	err := m.Configure(vrrp.Config{
		Name: "web", Interface: "u0", Accept: true, Announce: vrrp.Announce{Repeat: 1},
		Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	m.Set("web", true)
	await(t, heard)
	l, err := netlink.LinkByName("u0")
	if err == nil {
		err = netlink.LinkSetHardwareAddr(l, net.HardwareAddr{2, 0, 0, 0, 0, 7})
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, heard) // with the sender's address in frame and packet alike: see announcedBy
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func await(t *testing.T, heard <-chan netip.Addr) {
	t.Helper()
	select {
	case <-heard:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was announced within 30 s")
	}
}

// TestRenamedInterface: an address that went with its interface to another name is
// not left there.
func TestRenamedInterface(t *testing.T) {
	pair(t)
	k := open(t)
	a := vip.Address{Link: "u0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}
	if err := k.Add(a); err != nil {
		t.Fatal(err)
	}
	l, err := netlink.LinkByName("u0")
	if err == nil {
		err = errors.Join(netlink.LinkSetDown(l), netlink.LinkSetName(l, "u9"))
	}
	if err != nil {
		t.Fatal(err)
	}
	k.forget("u0") // as the watch does
	if err := k.Remove(a); err != nil {
		t.Error(err)
	}
	if seen, err := k.Look([]vip.Object{vip.Address{Link: "u9", Prefix: a.Prefix}}); err != nil || seen[0] != vip.Absent {
		t.Errorf("still there: %v, %v", seen, err)
	}
	if err := k.Add(a); !errors.Is(err, unix.ENODEV) {
		t.Errorf("added to another interface: %v", err)
	}
}

// TestSettingsComeBack: two owners of one setting, and what was before comes back
// with the last.
func TestSettingsComeBack(t *testing.T) {
	pair(t)
	k := open(t)
	const key = "net/ipv4/conf/u0/arp_ignore"
	value := func() string {
		t.Helper()
		v, err := read(key)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if err := write(key, "2"); err != nil {
		t.Fatal(err)
	}
	a, b := vip.Sysctl{Owner: "a", Key: key, Value: "1"}, vip.Sysctl{Owner: "b", Key: key, Value: "1"}
	for _, o := range []vip.Object{a, b} {
		if err := k.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Add(a); !errors.Is(err, fs.ErrExist) {
		t.Errorf("added twice: %v", err)
	}
	if err := write(key, "0"); err != nil {
		t.Fatal(err)
	}
	if err := k.Add(a); err != nil || value() != "1" {
		t.Errorf("changed by somebody: %v, now %s", err, value())
	}
	if err := k.Remove(a); err != nil || value() != "1" {
		t.Errorf("after the first of two let go: %v, now %s", err, value())
	}
	if err := k.Remove(b); err != nil || value() != "2" {
		t.Errorf("after the last let go: %v, now %s; want 2", err, value())
	}
}

// TestRecover: what a process that was killed had changed is put back by the next,
// from what the first wrote down before; what somebody else did meanwhile stays.
func TestRecover(t *testing.T) {
	pair(t)
	path := JournalFile(t.TempDir())
	keys := map[string]string{"arp_ignore": "1", "arp_announce": "2", "rp_filter": "2", "accept_local": "0"}
	dead := open(t)
	dead.Remember(path, kept(t))
	for key, value := range keys {
		if err := dead.Add(vip.Sysctl{Owner: "a", Key: "net/ipv4/conf/u0/" + key, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := write("net/ipv4/conf/u0/arp_announce", "1"); err != nil { // an operator
		t.Fatal(err)
	}
	restored, err := Recover(path)
	if want := []string{"net/ipv4/conf/u0/arp_ignore=0", "net/ipv4/conf/u0/rp_filter=0"}; err != nil || !slices.Equal(restored, want) {
		t.Errorf("restored %q, %v; want %q", restored, err, want)
	}
	for key, want := range map[string]string{"arp_ignore": "0", "arp_announce": "1", "rp_filter": "0"} {
		if v, err := read("net/ipv4/conf/u0/" + key); err != nil || v != want {
			t.Errorf("%s is %s, %v; want %s", key, v, err, want)
		}
	}
	if restored, err := Recover(path); err != nil || restored != nil {
		t.Errorf("a second time: %q, %v", restored, err)
	}
}

// kept hears of a journal whose file can always be written.
func kept(t *testing.T) func(error) {
	return func(err error) { t.Errorf("the journal: %v", err) }
}

// TestSettingsOnAFullDisk: a state folder that takes nothing keeps no setting from being
// made. It is told, and what could not be written is once there is a folder again.
func TestSettingsOnAFullDisk(t *testing.T) {
	pair(t)
	folder := filepath.Join(t.TempDir(), "state")
	path := JournalFile(folder)
	var told []error
	k := open(t)
	k.Remember(path, func(err error) { told = append(told, err) })
	setting := vip.Sysctl{Owner: "a", Key: "net/ipv4/conf/u0/arp_ignore", Value: "1"}
	if err := k.Add(setting); err != nil {
		t.Fatal(err)
	}
	if v, err := read(setting.Key); err != nil || v != "1" {
		t.Errorf("it is %s, %v; want 1", v, err)
	}
	if len(told) != 1 || told[0] == nil {
		t.Fatalf("told %v", told)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Look(nil); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[1] != nil {
		t.Errorf("told %v", told)
	}
	if restored, err := Recover(path); err != nil || len(restored) != 1 {
		t.Errorf("restored %q, %v", restored, err)
	}
}

// TestSettingsOfARenamedInterface come back under its present name, of a process that
// was killed and of one that lives.
func TestSettingsOfARenamedInterface(t *testing.T) {
	setting := vip.Sysctl{Owner: "a", Key: "net/ipv4/conf/u0/arp_ignore", Value: "1"}
	for name, undo := range map[string]func(k *Kernel, path string) error{
		"killed": func(_ *Kernel, path string) error {
			_, err := Recover(path)
			return err
		},
		"alive": func(k *Kernel, _ string) error { return k.Remove(setting) },
	} {
		t.Run(name, func(t *testing.T) {
			pair(t)
			k, path := open(t), JournalFile(t.TempDir())
			k.Remember(path, kept(t))
			l, err := netlink.LinkByName("u0")
			err = errors.Join(err, k.Add(setting))
			if err == nil {
				err = netlink.LinkSetName(l, "was0")
			}
			if err = errors.Join(err, undo(k, path)); err != nil {
				t.Fatal(err)
			}
			if v, err := read("net/ipv4/conf/was0/arp_ignore"); err != nil || v != "0" {
				t.Errorf("it is %s, %v; want 0", v, err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file is still there: %v", err)
			}
		})
	}
}

// TestRecoverNothing: what was put back in good order, what belongs to an interface
// that is another one now, and what another run of the machine wrote, is void.
func TestRecoverNothing(t *testing.T) {
	const key = "net/ipv4/conf/u0/arp_ignore"
	setting := vip.Sysctl{Owner: "a", Key: key, Value: "1"}
	for name, meanwhile := range map[string]func(t *testing.T, k *Kernel, path string) error{
		"put back": func(_ *testing.T, k *Kernel, _ string) error { return k.Remove(setting) },
		"another interface": func(t *testing.T, _ *Kernel, _ string) error {
			err := netlink.LinkDel(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "u0"}})
			attachLink(t)
			return errors.Join(err, write(key, "1"))
		},
		"another boot": func(_ *testing.T, _ *Kernel, path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(b, []byte(sysctl.Boot()), []byte("earlier"), 1), 0o600)
		},
		"cut file": func(_ *testing.T, _ *Kernel, path string) error { return os.Truncate(path, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			pair(t)
			path := JournalFile(t.TempDir())
			k := open(t)
			k.Remember(path, kept(t))
			if err := k.Add(setting); err != nil {
				t.Fatal(err)
			}
			if err := meanwhile(t, k, path); err != nil {
				t.Fatal(err)
			}
			if restored, err := Recover(path); restored != nil || (err != nil) != (name == "cut file") {
				t.Errorf("restored %q, %v", restored, err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file is still there: %v", err)
			}
		})
	}
}

// TestThousandAddresses: an instance with many addresses is quick to take and to
// give back, and its renewals keep up.
func TestThousandAddresses(t *testing.T) {
	pair(t)
	heard := hear(t)
	c := vrrp.Config{Name: "web", Interface: "u0", Accept: true, Lease: 6 * time.Second, Announce: vrrp.Announce{Repeat: 1}}
	for i := range 1000 {
		c.Addresses = append(c.Addresses, vrrp.Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)})
	}
	m := vip.New(vip.Options{Kernel: open(t), Events: func(e vrrp.Event) { t.Errorf("event %+v", e) }})
	if err := m.Configure(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	start := time.Now()
	m.Set("web", true)
	for range c.Addresses {
		await(t, heard)
	}
	t.Logf("all announced after %v", time.Since(start))
	<-time.After(7 * time.Second) // more than the lease
	start = time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("all removed after %v", time.Since(start))
}

// TestRouteReplaced: a route that somebody replaces by one of his own is put back; one
// that was there before is left alone.
func TestRouteReplaced(t *testing.T) {
	pair(t)
	c := vrrp.Config{
		Name: "web", Interface: "u0", Accept: true,
		Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}},
		Routes: []vrrp.Route{
			{To: netip.MustParsePrefix("198.51.100.0/24"), Interface: "u0", Table: 151},
			{To: netip.MustParsePrefix("2001:db8:1::/48"), Interface: "u0", Table: 151},
			{To: netip.MustParsePrefix("203.0.113.0/24"), Interface: "u0", Table: 151},
		},
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %q: %v: %s", args, err, out)
		}
	}
	run("route", "add", "203.0.113.0/24", "dev", "p0", "table", "151")
	k := open(t)
	events := make(chan vrrp.Event, 100)
	m := vip.New(vip.Options{Kernel: k, Events: func(e vrrp.Event) { events <- e }})
	if err := m.Configure(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	m.Set("web", true)
	routes := []vip.Object{
		vip.Route{To: c.Routes[0].To, Link: "u0", Table: 151, Type: "unicast"}, vip.Route{To: c.Routes[1].To, Link: "u0", Table: 151, Type: "unicast"},
		vip.Route{To: c.Routes[2].To, Link: "u0", Table: 151, Type: "unicast"},
	}
	want := []vip.Sight{vip.InPlace, vip.InPlace, vip.Foreign}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	whole := func() {
		t.Helper()
		limit := time.Now().Add(30 * time.Second)
		for {
			seen, err := k.Look(routes)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(seen, want) && m.Held("web") {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("seen as %v, held %v", seen, m.Held("web"))
			}
			<-tick.C
		}
	}
	whole()
	for _, to := range []string{"198.51.100.0/24", "2001:db8:1::/48"} {
		run("route", "replace", "unreachable", to, "table", "151")
		whole()
		if e := <-events; e.Kind != vrrp.EventAddressRepaired {
			t.Errorf("event %+v", e)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if seen, err := k.Look(routes); err != nil || !slices.Equal(seen, []vip.Sight{vip.Absent, vip.Absent, vip.Foreign}) {
		t.Errorf("at the end seen as %v, %v", seen, err)
	}
}
