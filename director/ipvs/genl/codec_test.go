package genl

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"usher/director/ipvs"
)

func addresses(six bool) *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		if six {
			b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
			b[0] = 0x20 // never an IPv4 address in IPv6's clothes
			return netip.AddrFrom16([16]byte(b))
		}
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")))
	})
}

func keys() *rapid.Generator[ipvs.ServiceKey] {
	return rapid.Custom(func(t *rapid.T) ipvs.ServiceKey {
		six := rapid.Bool().Draw(t, "IPv6")
		if rapid.Bool().Draw(t, "mark") {
			return ipvs.MarkKey(rapid.Uint32Range(1, 1<<32-1).Draw(t, "fwmark"), six)
		}
		return ipvs.AddressKey(rapid.SampledFrom([]ipvs.Protocol{ipvs.TCP, ipvs.UDP, ipvs.SCTP}).Draw(t, "protocol"),
			netip.AddrPortFrom(addresses(six).Draw(t, "VIP"), rapid.Uint16().Draw(t, "port")))
	})
}

// What is sent for a service reads back as that service: the kernel answers in
// the same attributes.
func TestServiceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := keys().Draw(t, "key")
		want := ipvs.Service{
			Scheduler:   rapid.SampledFrom([]string{"rr", "mh", "sed"}).Draw(t, "scheduler"),
			Flags:       ipvs.Flags(rapid.Uint32().Draw(t, "flags")) &^ flagHashed,
			Persistence: rapid.Uint32().Draw(t, "persistence"),
			Netmask:     uint8(rapid.IntRange(0, int(key.Bits())).Draw(t, "netmask")),
			Engine:      rapid.SampledFrom([]string{"", "sip"}).Draw(t, "engine"),
		}
		b := appendOp(nil, 30, 0, 7, ipvs.Op{Kind: ipvs.AddService, Key: key, Service: want})
		got, err := decodeService(b[unix.SizeofNlMsghdr:])
		if err != nil || got.key != key || got.service != want {
			t.Fatalf("%v %v, %v; want %v %v", got.key, got.service, err, key, want)
		}
	})
}

func TestDestinationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		service := keys().Draw(t, "service")
		key := ipvs.DestinationKey{Address: addresses(rapid.Bool().Draw(t, "IPv6")).Draw(t, "RIP"), Port: rapid.Uint16().Draw(t, "port")}
		want := ipvs.Destination{
			Weight:  rapid.Uint32().Draw(t, "weight"),
			Forward: rapid.SampledFrom([]ipvs.Forward{ipvs.NAT, ipvs.Local, ipvs.Tun, ipvs.DR}).Draw(t, "forward"),
			Upper:   rapid.Uint32().Draw(t, "upper"),
			Lower:   rapid.Uint32().Draw(t, "lower"),
		}
		if want.Forward == ipvs.Tun {
			want.Tunnel = ipvs.Tunnel{
				Type:  rapid.SampledFrom([]ipvs.TunnelType{ipvs.IPIP, ipvs.GUE, ipvs.GRE}).Draw(t, "type"),
				Port:  rapid.Uint16().Draw(t, "tunnel port"),
				Flags: rapid.Uint16().Draw(t, "tunnel flags"),
			}
		}
		b := appendOp(nil, 30, 0, 7, ipvs.Op{Kind: ipvs.AddDestination, Key: service, Dest: key, Destination: want})
		got, err := decodeDest(b[unix.SizeofNlMsghdr:], service, false)
		if err != nil || got.key != key || got.destination != want {
			t.Fatalf("%v %v, %v; want %v %v", got.key, got.destination, err, key, want)
		}
	})
}

func TestDaemonRoundTrip(t *testing.T) {
	want := ipvs.SyncDaemon{Role: ipvs.SyncBackup, Interface: "eth0", ID: 51, Group: netip.MustParseAddr("ff02::51"), Port: 8849, TTL: 4, MaxLength: 1400}
	m, at := begin(nil, 30, 0, 1, cmdNewDaemon)
	m.nest(attrDaemon, func() { m.daemon(want) })
	got, err := decodeDaemon(m.end(at)[unix.SizeofNlMsghdr:])
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// 64-bit counters win over the 32-bit ones that the kernel sends before them.
func TestCountersAre64Bit(t *testing.T) {
	m, at := begin(nil, 30, 0, 1, cmdNewDest)
	m.nest(attrDest, func() {
		m.destKey(ipvs.DestinationKey{Address: netip.MustParseAddr("10.0.0.1"), Port: 80})
		m.nest(dstStats, func() { m.u32(statConnections, 5); m.u32(statBytesIn, 0xffffffff) })
		m.nest(dstStats64, func() {
			m.bytes(statConnections, []byte{5, 0, 0, 0, 1, 0, 0, 0})
			m.bytes(statBytesIn, []byte{0, 0, 0, 0, 2, 0, 0, 0})
		})
	})
	got, err := decodeDest(m.end(at)[unix.SizeofNlMsghdr:], ipvs.ServiceKey{}, true)
	if err != nil || got.counters.Connections != 1<<32+5 || got.counters.BytesIn != 2<<32 {
		t.Errorf("%+v, %v", got.counters, err)
	}
}

// Whatever the kernel sends, a decoder gives an error at worst.
func FuzzDecode(f *testing.F) {
	f.Add(appendOp(nil, 30, 0, 1, ipvs.Op{Kind: ipvs.AddService, Key: ipvs.MarkKey(7, true), Service: ipvs.Service{Scheduler: "rr"}})[unix.SizeofNlMsghdr:])
	f.Add(appendOp(nil, 30, 0, 1, ipvs.Op{Kind: ipvs.AddDestination, Key: ipvs.MarkKey(7, true),
		Dest: ipvs.DestinationKey{Address: netip.MustParseAddr("::1")}})[unix.SizeofNlMsghdr:])
	f.Add([]byte{})
	f.Add([]byte{1, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeService(b); err == nil && r.key.Mark == 0 && !r.key.Address.IsValid() {
			t.Errorf("a service without an identity: %+v", r)
		}
		if r, err := decodeDest(b, ipvs.ServiceKey{}, true); err == nil && !r.key.Address.IsValid() {
			t.Errorf("a destination without an address: %+v", r)
		}
		_, _ = decodeDaemon(b)
	})
}
