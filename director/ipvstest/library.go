package ipvstest

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// SecondHand has github.com/moby/ipvs, which others wrote, read in the real kernel
// what k wrote there, and k what that wrote. It also holds what package ipvs says that
// the library lacks: where such a case fails after an upgrade, code of ours can go.
// open gives a kernel without services, as for Contract, and the library's handle in
// the same network namespace.
func SecondHand(t *testing.T, open func(*testing.T) (director.Kernel, *moby.Handle)) {
	for name, test := range map[string]func(*testing.T, director.Kernel, *moby.Handle){
		"ours in a batch, read by the library":   testBatchReadByLibrary,
		"ours one by one, read by the library":   testSinglesReadByLibrary,
		"the library's, read by us":              testWrittenByLibrary,
		"what the library edits and deletes":     testEditedByLibrary,
		"what the library lacks at this version": testLibraryLacks,
	} {
		t.Run(name, func(t *testing.T) {
			k, h := open(t)
			t.Cleanup(func() {
				if err := h.Flush(); err != nil {
					t.Errorf("clean up: %v", err)
				}
			})
			test(t, k, h)
		})
	}
}

// readable is everything without what the library does not read back, and without the
// services that need a module which this kernel lacks.
func readable(t *testing.T, k director.Kernel, written ipvs.Table) ipvs.Table {
	t.Helper()
	have, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	out := ipvs.Table{}
	for key, e := range written {
		if _, there := have[key]; !there {
			if e.Service.Scheduler != "twos" && e.Service.Scheduler != "mh" { // not built into every kernel
				t.Errorf("%s is not in the kernel", key)
			}
			continue
		}
		e.Service.Engine = ""
		dests := map[ipvs.DestinationKey]ipvs.Destination{}
		for d, settings := range e.Destinations {
			settings.Tunnel = ipvs.Tunnel{}
			dests[d] = settings
		}
		e.Destinations = dests
		out[key] = e
	}
	return out
}

func equalTables(t *testing.T, what string, want, have ipvs.Table) {
	t.Helper()
	if diff := cmp.Diff(want, have, cmpopts.EquateComparable(ipvs.ServiceKey{}, ipvs.DestinationKey{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +have):\n%s", what, diff)
	}
}

func testBatchReadByLibrary(t *testing.T, k director.Kernel, h *moby.Handle) {
	want := everything()
	k.Apply(director.Plan(want, ipvs.Table{}))
	equalTables(t, "what the library reads", readable(t, k, want), tableOfLibrary(t, h))
}

func testSinglesReadByLibrary(t *testing.T, k director.Kernel, h *moby.Handle) {
	want := everything()
	for _, op := range director.Plan(want, ipvs.Table{}) {
		k.Apply([]ipvs.Op{op})
	}
	equalTables(t, "what the library reads", readable(t, k, want), tableOfLibrary(t, h))
}

func testWrittenByLibrary(t *testing.T, k director.Kernel, h *moby.Handle) {
	want := everything()
	for key, e := range want {
		s := serviceForLibrary(key, e.Service)
		if err := h.NewService(s); err != nil {
			delete(want, key)
			if !errors.Is(err, unix.ENOENT) || e.Service.Scheduler != "twos" && e.Service.Scheduler != "mh" {
				t.Errorf("add %s: %v", key, err)
			}
		}
		for dest, d := range e.Destinations {
			if d.Tunnel != (ipvs.Tunnel{}) {
				delete(e.Destinations, dest)
			} else if err := h.NewDestination(s, destinationForLibrary(dest, d)); err != nil {
				t.Errorf("add %s to %s: %v", dest, key, err)
			}
		}
	}
	wantTable(t, k, want)
}

func testEditedByLibrary(t *testing.T, k director.Kernel, h *moby.Handle) {
	key, first, second := service(1, 80), dest("10.0.0.1:80"), dest("10.0.0.2:80")
	before := ipvs.Table{key: {Service: rr(key), Destinations: map[ipvs.DestinationKey]ipvs.Destination{first: {Weight: 1}, second: {Weight: 1}}}}
	if errs := k.Apply(director.Plan(before, ipvs.Table{})); errs != nil {
		t.Fatal(errs)
	}
	edited := ipvs.Service{Scheduler: "wlc", Flags: ipvs.Persistent, Persistence: 77, Netmask: 24}
	drained := ipvs.Destination{Forward: ipvs.DR, Upper: 9, Lower: 3}
	s := serviceForLibrary(key, edited)
	wantErr(t, "edit the service", h.UpdateService(s), nil)
	wantErr(t, "edit a destination", h.UpdateDestination(s, destinationForLibrary(first, drained)), nil)
	wantErr(t, "delete the other", h.DelDestination(s, destinationForLibrary(second, ipvs.Destination{})), nil)
	wantTable(t, k, ipvs.Table{key: {Service: edited, Destinations: map[ipvs.DestinationKey]ipvs.Destination{first: drained}}})
	wantErr(t, "delete the service", h.DelService(s), nil)
	wantTable(t, k, ipvs.Table{})
}

func testLibraryLacks(t *testing.T, k director.Kernel, h *moby.Handle) {
	key := service(1, 80)
	want := ipvs.Table{key: {
		Service:      ipvs.Service{Scheduler: "rr", Flags: ipvs.Persistent, Persistence: 60, Netmask: 32, Engine: "sip"},
		Destinations: map[ipvs.DestinationKey]ipvs.Destination{dest("10.0.0.1:80"): {Weight: 1<<16 + 1}},
	}}
	if errs := k.Apply(director.Plan(want, ipvs.Table{})); errs != nil {
		t.Fatal(errs)
	}
	wantTable(t, k, want)
	s := serviceForLibrary(key, rr(key))
	six := moby.Destination{Address: net.ParseIP("2001:db8::1"), Port: 80, ConnectionFlags: moby.ConnFwdTunnel, AddressFamily: unix.AF_INET6}
	wantErr(t, "add an IPv6 destination to an IPv4 service", h.NewDestination(s, &six), nil)
	e, _, err := k.Entry(key)
	if _, broken := e.Destinations[dest("32.1.13.184:80")]; err != nil || !broken {
		t.Errorf("the library sends the address family of a destination: %v, %v", e, err)
	}
	table := tableOfLibrary(t, h)
	if got := table[key].Service.Engine; got != "" {
		t.Errorf("the library reads the persistence engine, %q", got)
	}
	if got := table[key].Destinations[dest("10.0.0.1:80")].Weight; got != 1 {
		t.Errorf("the library reads all of a weight: %d", got)
	}
}

// tableOfLibrary is the kernel's table as the library reads it.
func tableOfLibrary(t *testing.T, h *moby.Handle) ipvs.Table {
	t.Helper()
	services, err := h.GetServices()
	if err != nil {
		t.Fatal(err)
	}
	out := ipvs.Table{}
	for _, s := range services {
		six := s.AddressFamily == unix.AF_INET6
		key := ipvs.MarkKey(s.FWMark, six)
		if s.FWMark == 0 {
			key = ipvs.AddressKey(ipvs.Protocol(s.Protocol), netip.AddrPortFrom(addrOf(s.Address), s.Port))
		}
		const hashed = 0x2 // set by the kernel itself
		e := ipvs.Entry{Destinations: map[ipvs.DestinationKey]ipvs.Destination{}, Service: ipvs.Service{
			Scheduler: s.SchedName, Flags: ipvs.Flags(s.Flags &^ hashed), Persistence: s.Timeout, Engine: s.PEName,
			Netmask: uint8(s.Netmask),
		}}
		if !six {
			e.Service.Netmask = uint8(bits.OnesCount32(s.Netmask))
		}
		dests, err := h.GetDestinations(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dests {
			e.Destinations[ipvs.DestinationKey{Address: addrOf(d.Address), Port: d.Port}] = ipvs.Destination{
				Weight: uint32(d.Weight), Forward: ipvs.Forward(d.ConnectionFlags & moby.ConnFwdMask),
				Upper: d.UpperThreshold, Lower: d.LowerThreshold,
			}
		}
		out[key] = e
	}
	return out
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

func serviceForLibrary(key ipvs.ServiceKey, s ipvs.Service) *moby.Service {
	out := &moby.Service{
		FWMark: key.Mark, Protocol: uint16(key.Protocol), Port: key.Port, AddressFamily: unix.AF_INET6,
		SchedName: s.Scheduler, Flags: uint32(s.Flags), Timeout: s.Persistence, Netmask: uint32(s.Netmask), PEName: s.Engine,
	}
	if key.Address.IsValid() {
		out.Address = key.Address.AsSlice()
	}
	if key.Bits() == 32 {
		out.AddressFamily = unix.AF_INET
		mask := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), int(s.Netmask)).Masked().Addr().As4()
		out.Netmask = binary.NativeEndian.Uint32(mask[:])
	}
	return out
}

func destinationForLibrary(key ipvs.DestinationKey, d ipvs.Destination) *moby.Destination {
	return &moby.Destination{
		Address: key.Address.AsSlice(), Port: key.Port, Weight: int(d.Weight), ConnectionFlags: uint32(d.Forward),
		UpperThreshold: d.Upper, LowerThreshold: d.Lower,
	}
}
