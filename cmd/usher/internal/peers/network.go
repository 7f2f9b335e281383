package peers

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Network is where members send and listen.
type Network interface {
	Listen(at netip.AddrPort) (net.Listener, error)
	ListenPacket(at netip.AddrPort) (net.PacketConn, error)
	// Dial connects from an address of this machine.
	Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error)
}

// machine is this machine's.
type machine struct{}

func (machine) Listen(at netip.AddrPort) (net.Listener, error) {
	return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
}

func (machine) ListenPacket(at netip.AddrPort) (net.PacketConn, error) {
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
}

func (machine) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), KeepAlive: -1}
	return d.DialContext(ctx, "tcp", to.String())
}

// addressOf is a net.Addr as an address; the zero one where it is none.
func addressOf(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	case *net.TCPAddr:
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	case nil:
		return netip.AddrPort{}
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return p
}

// patience bounds everything on one connection.
const patience = 3 * time.Second
