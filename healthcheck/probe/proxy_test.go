package probe

import (
	"net"
	"net/netip"
	"testing"
)

// TestProxyHeaderFamilies: the headers of both families, byte by byte as in
// proxy-protocol.txt, sections 2.1 and 2.2.
func TestProxyHeaderFamilies(t *testing.T) {
	const signature = "\r\n\r\n\x00\r\nQUIT\n\x21"
	for _, tc := range []struct {
		from, to string
		version  int
		want     string
	}{
		{"192.0.2.1:4660", "192.0.2.2:80", 1, "PROXY TCP4 192.0.2.1 192.0.2.2 4660 80\r\n"},
		{"[::ffff:192.0.2.1]:4660", "[::ffff:192.0.2.2]:80", 1, "PROXY TCP4 192.0.2.1 192.0.2.2 4660 80\r\n"},
		{"[fe80::1%eth0]:4660", "[2001:db8::2]:80", 1, "PROXY TCP6 fe80::1 2001:db8::2 4660 80\r\n"},
		{"192.0.2.1:4660", "192.0.2.2:80", 2, signature + "\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x00\x50"},
		{"[2001:db8::1]:4660", "[2001:db8::2]:80", 2, signature + "\x21\x00\x24" +
			" \x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01 \x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x12\x34\x00\x50"},
	} {
		from, to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tc.from)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tc.to))
		if got := string(proxyHeader(tc.version, from, to)); got != tc.want {
			t.Errorf("version %d from %s: %q, want %q", tc.version, from, got, tc.want)
		}
	}
}
