package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxKeys bounds how many services one virtual_server may stand for.
const maxKeys = 65536

// endpoints is what the address of a virtual server says: every address with
// every port.
type endpoints struct {
	addrs []netip.Addr
	ports []uint16
}

// parseEndpoints reads "192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.10-20:80" (the
// last octet, or group in IPv6, runs to the number), "192.0.2.1:8000-8009".
func parseEndpoints(s string) (endpoints, error) {
	host, port, err := cutPort(s)
	if err != nil {
		return endpoints{}, err
	}
	if port == "" {
		if why := spaced(s); why != notLookedUp {
			return endpoints{}, errors.New(why)
		}
		return endpoints{}, fmt.Errorf("a port is missing; port 0 stands for every port")
	}
	var e endpoints
	if e.addrs, err = addressRange(host); err != nil {
		return endpoints{}, err
	}
	if e.ports, err = portRange(port); err != nil {
		return endpoints{}, err
	}
	if n := len(e.addrs) * len(e.ports); n > maxKeys {
		return endpoints{}, fmt.Errorf("these are %d services, more than the %d that one virtual server can be", n, maxKeys)
	}
	return e, nil
}

// cutPort separates the port, "" where there is none, from an address.
func cutPort(s string) (host, port string, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, after, ok := strings.Cut(rest, "]")
		if !ok {
			return "", "", fmt.Errorf("the bracket is not closed")
		}
		port, ok := strings.CutPrefix(after, ":")
		if !ok && after != "" {
			return "", "", fmt.Errorf("after the bracket only :port may follow")
		}
		if ok && port == "" {
			return "", "", fmt.Errorf("a port is missing after the colon")
		}
		return host, port, nil
	}
	switch strings.Count(s, ":") {
	case 0:
		return s, "", nil
	case 1:
		host, port, _ = strings.Cut(s, ":")
		if port == "" {
			return "", "", fmt.Errorf("a port is missing after the colon")
		}
		return host, port, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.String(), "", nil
	}
	return "", "", fmt.Errorf("an IPv6 address with a port needs brackets, as in [2001:db8::1]:80")
}

const notLookedUp = "names are not looked up"

// spaced says what is wrong with something that is no address: a space between address
// and port, as keepalived has it, or a name.
func spaced(s string) string {
	if f := strings.Fields(s); len(f) == 2 {
		if a, err := netip.ParseAddr(f[0]); err == nil {
			if p, err := port(f[1]); err == nil {
				return fmt.Sprintf("a colon stands before the port: %q", netip.AddrPortFrom(a, p).String())
			}
		}
	}
	return notLookedUp
}

func addressRange(s string) ([]netip.Addr, error) {
	from, to, ranged := strings.Cut(s, "-")
	first, err := parseIP(from, s)
	if err != nil {
		return nil, err
	}
	if !ranged {
		return []netip.Addr{first}, nil
	}
	bytes := first.AsSlice()
	base, width := 10, 1
	if first.Is6() {
		base, width = 16, 2
	}
	end, err := strconv.ParseUint(to, base, width*8)
	if err != nil {
		return nil, fmt.Errorf("after the dash stands the last octet (IPv4) or group (IPv6) of the range, not %q", to)
	}
	tail := bytes[len(bytes)-width:]
	var start uint64
	for _, b := range tail {
		start = start<<8 | uint64(b)
	}
	if end < start {
		return nil, fmt.Errorf("the range ends before it starts")
	}
	var all []netip.Addr
	for n := start; n <= end; n++ {
		tail[width-1] = byte(n)
		if width == 2 {
			tail[0] = byte(n >> 8)
		}
		addr, _ := netip.AddrFromSlice(bytes)
		all = append(all, addr)
	}
	return all, nil
}

// parseIP reads an address as the kernel's table has it; whole is what stands in the
// file, for what is wrong with it.
func parseIP(s, whole string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, fmt.Errorf("%q is not an IP address; %s", s, spaced(whole))
	case a.Zone() != "":
		return a, fmt.Errorf("a zone has no place in %q", s)
	case a.Is4In6():
		return a, fmt.Errorf("%q is an IPv4 address in the guise of IPv6; write it as %s", s, a.Unmap())
	}
	return a, nil
}

func portRange(s string) ([]uint16, error) {
	from, to, ranged := strings.Cut(s, "-")
	first, err := port(from)
	if err != nil {
		return nil, err
	}
	if !ranged {
		return []uint16{first}, nil
	}
	last, err := port(to)
	switch {
	case err != nil:
		return nil, err
	case first == 0:
		return nil, fmt.Errorf("port 0 stands for every port and cannot start a range")
	case last < first:
		return nil, fmt.Errorf("the range of ports ends before it starts")
	}
	var all []uint16
	for p := int(first); p <= int(last); p++ {
		all = append(all, uint16(p))
	}
	return all, nil
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a port number", s)
	case n > 65535:
		return 0, fmt.Errorf("port %d is out of range: ports are 0 to 65535", n)
	}
	return uint16(n), nil
}

// parseServer reads the label of a real server; the port is 0 where none is given.
func parseServer(s string) (addr netip.AddrPort, ported bool, err error) {
	host, text, err := cutPort(s)
	if err != nil {
		return netip.AddrPort{}, false, err
	}
	ip, err := parseIP(host, host)
	if err != nil {
		return netip.AddrPort{}, false, err
	}
	if text == "" {
		return netip.AddrPortFrom(ip, 0), false, nil
	}
	p, err := port(text)
	if err != nil {
		return netip.AddrPort{}, false, err
	}
	return netip.AddrPortFrom(ip, p), true, nil
}

// parseNetmask reads a netmask of IPv4 or a prefix length as a prefix length.
func parseNetmask(s string, bits int) (uint8, error) {
	if n, err := strconv.Atoi(strings.TrimPrefix(s, "/")); err == nil {
		if n < 1 || n > bits {
			return 0, fmt.Errorf("the prefix length must be 1 to %d", bits)
		}
		return uint8(n), nil
	}
	mask, err := netip.ParseAddr(s)
	if err != nil || !mask.Is4() || bits != 32 {
		return 0, fmt.Errorf("%q is neither a netmask such as 255.255.255.0 (IPv4) nor a prefix length", s)
	}
	n := 0
	var word uint32
	for _, b := range mask.AsSlice() {
		word = word<<8 | uint32(b)
	}
	for word&(1<<31) != 0 {
		word <<= 1
		n++
	}
	if word != 0 || n == 0 {
		return 0, fmt.Errorf("%q is not a netmask: its ones must come first, without a gap", s)
	}
	return uint8(n), nil
}
