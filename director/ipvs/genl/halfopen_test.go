package genl

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"usher/director/ipvs"
)

func TestCountHalfOpen(t *testing.T) {
	const table = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C0A83C0A A2C4 C0A83CC8 24A0 0A010203 0050 SYN_RECV         57
TCP C0A83C0A A2C6 C0A83CC8 24A0 0A010203 0050 SYN_RECV         58
TCP C0A83C0A A2C8 C0A83CC8 24A0 0A010405 0050 ESTABLISHED     899
UDP C0A83C0A 1000 C0A83CC8 0035 0A010405 0035 UDP             300
TCP 2001:0db8:0000:0000:0000:0000:0000:0001 A2C4 2001:0db8:0000:0000:0000:0000:0000:0080 0050 2001:0db8:0001:0000:0000:0000:0000:0001 0050 SYN_RECV         57
`
	got, err := countHalfOpen(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	key := func(s string) ipvs.ServiceKey { return ipvs.AddressKey(ipvs.TCP, netip.MustParseAddrPort(s)) }
	dest := func(s string) ipvs.DestinationKey {
		a := netip.MustParseAddrPort(s)
		return ipvs.DestinationKey{Address: a.Addr(), Port: a.Port()}
	}
	want := map[ipvs.Route]int{
		{Service: key("192.168.60.200:9376"), Dest: dest("10.1.2.3:80")}:      2,
		{Service: key("[2001:db8::80]:80"), Dest: dest("[2001:db8:1::1]:80")}: 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
