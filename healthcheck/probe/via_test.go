package probe

import (
	"net/netip"
	"testing"
)

func TestSourceForProbesThroughAService(t *testing.T) {
	local := []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.1.0.2/16"),
		netip.MustParsePrefix("192.168.60.200/32"), netip.MustParsePrefix("192.168.60.200/24"), netip.MustParsePrefix("192.168.60.2/24"),
		netip.MustParsePrefix("fd00:60::2/64"),
	}
	for service, want := range map[string]string{
		"192.168.60.200":        "192.168.60.2",
		"::ffff:192.168.60.200": "192.168.60.2",
		"fd00:60::200":          "fd00:60::2",
		"203.0.113.7":           "invalid IP",
	} {
		if got := sourceFor(netip.MustParseAddr(service), local); got.String() != want {
			t.Errorf("to %s from %s, want %s", service, got, want)
		}
	}
}
