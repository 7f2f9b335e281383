package genl

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"usher/director/ipvs"
)

// connections is the kernel's connection table of this network namespace.
const connections = "/proc/net/ip_vs_conn"

// HalfOpen counts the TCP connections that a real server has not answered yet, as
// far as the director sees answers: the client's SYN is through and nothing after
// it. A machine whose table cannot be read because IPVS is not there has none.
func (k *Kernel) HalfOpen() (map[ipvs.Route]int, error) {
	f, err := os.Open(connections)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ipvs: read the connections: %w", err)
	}
	defer f.Close()
	return countHalfOpen(f)
}

// countHalfOpen reads the columns Pro FromIP FPrt ToIP TPrt DestIP DPrt State.
func countHalfOpen(r io.Reader) (map[ipvs.Route]int, error) {
	out := map[ipvs.Route]int{}
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		line := scan.Text()
		if !strings.HasPrefix(line, "TCP") || !strings.Contains(line, " SYN_RECV ") {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		vip, err := hexAddrPort(f[3], f[4])
		if err != nil {
			return nil, fmt.Errorf("ipvs: read the connection %q: %w", line, err)
		}
		rip, err := hexAddrPort(f[5], f[6])
		if err != nil {
			return nil, fmt.Errorf("ipvs: read the connection %q: %w", line, err)
		}
		out[ipvs.Route{Service: ipvs.AddressKey(ipvs.TCP, vip), Dest: ipvs.DestinationKey{Address: rip.Addr(), Port: rip.Port()}}]++
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("ipvs: read the connections: %w", err)
	}
	return out, nil
}

// hexAddrPort reads "C0A83CC8" or "2001:0db8:...:0001", and "24A0".
func hexAddrPort(addr, port string) (netip.AddrPort, error) {
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if strings.Contains(addr, ":") {
		a, err := netip.ParseAddr(addr)
		return netip.AddrPortFrom(a, uint16(p)), err
	}
	b, err := hex.DecodeString(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", addr)
	}
	return netip.AddrPortFrom(a, uint16(p)), nil
}
