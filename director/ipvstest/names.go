package ipvstest

import (
	"net/netip"

	"usher/director/ipvs"
)

// Key is the service of a test with a number from 0 on; number 3 has a firewall mark.
func Key(n int) ipvs.ServiceKey {
	if n == 3 {
		return ipvs.MarkKey(7, false)
	}
	return ipvs.AddressKey(ipvs.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)}), 80))
}

// Dest is the real server of a test with a number from 0 on.
func Dest(n int) ipvs.DestinationKey {
	return ipvs.DestinationKey{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}), Port: 80}
}

// Serving tells whether a service has a server that takes new connections.
func Serving(t ipvs.Table, key ipvs.ServiceKey) bool {
	for _, d := range t[key].Destinations {
		if d.Weight > 0 {
			return true
		}
	}
	return false
}
