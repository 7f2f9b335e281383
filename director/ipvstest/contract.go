package ipvstest

import (
	"errors"
	"maps"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// Contract is what the director relies on in a kernel. It runs on the double and,
// in a network namespace of its own, on the real one: that is what makes the
// double true. open gives a kernel without services; each case opens its own and
// removes the services that it made.
func Contract(t *testing.T, open func(*testing.T) director.Kernel) {
	for name, test := range map[string]func(*testing.T, director.Kernel){
		"services":         testServices,
		"destinations":     testDestinations,
		"unknown module":   testUnknownModule,
		"invalid":          testInvalid,
		"everything":       testEverything,
		"mixed families":   testMixedFamilies,
		"batch":            testBatch,
		"counters":         testCounters,
		"timeouts":         testTimeouts,
		"sync daemons":     testSyncDaemons,
		"many services":    testManyServices,
		"big destinations": testBigService,
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			t.Cleanup(func() {
				have, err := k.Read()
				if err != nil {
					t.Errorf("read for the clean-up: %v", err)
				}
				k.Apply(director.Plan(ipvs.Table{}, have))
			})
			test(t, k)
		})
	}
}

func service(last byte, port uint16) ipvs.ServiceKey {
	return ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, last}), port))
}

func dest(s string) ipvs.DestinationKey {
	a := netip.MustParseAddrPort(s)
	return ipvs.DestinationKey{Address: a.Addr(), Port: a.Port()}
}

func rr(key ipvs.ServiceKey) ipvs.Service {
	return ipvs.Service{Scheduler: "rr", Netmask: key.Bits()}
}

// one applies a single operation.
func one(k director.Kernel, op ipvs.Op) error {
	if errs := k.Apply([]ipvs.Op{op}); errs != nil {
		return errs[0]
	}
	return nil
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantTable(t *testing.T, k director.Kernel, want ipvs.Table) {
	t.Helper()
	have, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have, cmpopts.EquateComparable(ipvs.ServiceKey{}, ipvs.DestinationKey{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("table (-want +have):\n%s", diff)
	}
	for key := range want {
		if e, there, err := k.Entry(key); err != nil || !there || e.Service != have[key].Service || !maps.Equal(e.Destinations, have[key].Destinations) {
			t.Errorf("%s by itself: %v, %t, %v; in the table: %v", key, e, there, err, have[key])
		}
	}
	absent := service(250, 65535)
	if e, there, err := k.Entry(absent); err != nil || there {
		t.Errorf("a service that is not there: %v, %t, %v", e, there, err)
	}
}

func testServices(t *testing.T, k director.Kernel) {
	key := service(1, 80)
	add := ipvs.Op{Kind: ipvs.AddService, Key: key, Service: rr(key)}
	wantErr(t, "edit of a service that is not there", one(k, ipvs.Op{Kind: ipvs.EditService, Key: key, Service: rr(key)}), unix.ESRCH)
	wantErr(t, "delete of a service that is not there", one(k, ipvs.Op{Kind: ipvs.DelService, Key: key}), unix.ESRCH)
	wantErr(t, "add", one(k, add), nil)
	wantErr(t, "add twice", one(k, add), unix.EEXIST)
	edited := ipvs.Service{Scheduler: "wrr", Flags: ipvs.Persistent, Persistence: 300, Netmask: 24}
	wantErr(t, "edit", one(k, ipvs.Op{Kind: ipvs.EditService, Key: key, Service: edited}), nil)
	wantTable(t, k, ipvs.Table{key: {Service: edited}})
	wantErr(t, "delete", one(k, ipvs.Op{Kind: ipvs.DelService, Key: key}), nil)
	wantTable(t, k, ipvs.Table{})
}

func testDestinations(t *testing.T, k director.Kernel) {
	key, d := service(1, 80), dest("10.0.0.1:8080")
	settings := ipvs.Destination{Weight: 3}
	add := ipvs.Op{Kind: ipvs.AddDestination, Key: key, Dest: d, Destination: settings}
	wantErr(t, "add without the service", one(k, add), unix.ESRCH)
	wantErr(t, "add the service", one(k, ipvs.Op{Kind: ipvs.AddService, Key: key, Service: rr(key)}), nil)
	wantErr(t, "edit of a destination that is not there",
		one(k, ipvs.Op{Kind: ipvs.EditDestination, Key: key, Dest: d, Destination: settings}), unix.ENOENT)
	wantErr(t, "delete of a destination that is not there", one(k, ipvs.Op{Kind: ipvs.DelDestination, Key: key, Dest: d}), unix.ENOENT)
	wantErr(t, "add", one(k, add), nil)
	wantErr(t, "add twice", one(k, add), unix.EEXIST)
	settings.Weight, settings.Upper, settings.Lower = 0, 100, 50
	wantErr(t, "edit", one(k, ipvs.Op{Kind: ipvs.EditDestination, Key: key, Dest: d, Destination: settings}), nil)
	wantTable(t, k, ipvs.Table{key: {Service: rr(key), Destinations: map[ipvs.DestinationKey]ipvs.Destination{d: settings}}})
	wantErr(t, "delete", one(k, ipvs.Op{Kind: ipvs.DelDestination, Key: key, Dest: d}), nil)
	wantErr(t, "add again", one(k, add), nil)
	wantErr(t, "delete the service with its destination", one(k, ipvs.Op{Kind: ipvs.DelService, Key: key}), nil)
	wantTable(t, k, ipvs.Table{})
}

func testUnknownModule(t *testing.T, k director.Kernel) {
	key := service(1, 80)
	for _, s := range []ipvs.Service{
		{Scheduler: "nosuch", Netmask: 32},
		{Scheduler: "rr", Engine: "nosuch", Flags: ipvs.Persistent, Persistence: 60, Netmask: 32},
	} {
		err := one(k, ipvs.Op{Kind: ipvs.AddService, Key: key, Service: s})
		wantErr(t, "service "+s.String(), err, unix.ENOENT)
		var missing *ipvs.ModuleError
		if !errors.As(err, &missing) {
			t.Fatalf("service %s: error %v names no module", s, err)
		}
		if want := map[bool]string{true: "ip_vs_nosuch", false: "ip_vs_pe_nosuch"}[s.Engine == ""]; missing.Module != want {
			t.Errorf("service %s: module %q, want %q", s, missing.Module, want)
		}
	}
	wantTable(t, k, ipvs.Table{})
}

func testInvalid(t *testing.T, k director.Kernel) {
	key := service(1, 80)
	wantErr(t, "add the service", one(k, ipvs.Op{Kind: ipvs.AddService, Key: key, Service: rr(key)}), nil)
	for _, c := range []struct {
		name string
		dest string
		d    ipvs.Destination
		want error
	}{
		{"lower above upper threshold", "10.0.0.1:80", ipvs.Destination{Weight: 1, Upper: 5, Lower: 6}, unix.ERANGE},
		{"negative weight", "10.0.0.1:80", ipvs.Destination{Weight: 1 << 31}, unix.ERANGE},
		{"gue without a port", "10.0.0.1:80", ipvs.Destination{Weight: 1, Forward: ipvs.Tun, Tunnel: ipvs.Tunnel{Type: ipvs.GUE}}, unix.EINVAL},
		{"nat to the other family", "[2001:db8::1]:80", ipvs.Destination{Weight: 1}, unix.EINVAL},
	} {
		wantErr(t, c.name, one(k, ipvs.Op{Kind: ipvs.AddDestination, Key: key, Dest: dest(c.dest), Destination: c.d}), c.want)
	}
	wantTable(t, k, ipvs.Table{key: {Service: rr(key)}})
}
