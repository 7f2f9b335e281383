// Package peerstest is a network in memory, for groups of directors in virtual time.
package peerstest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"usher/cmd/usher/internal/peers"
)

// Network has hosts, each with addresses of its own, and links between them that can be cut.
type Network struct {
	Delay time.Duration // of a packet, and of a connection; 1 ms by New

	mu        sync.Mutex
	packets   map[netip.AddrPort]*packetConn
	listeners map[netip.AddrPort]*listener
	pipes     map[*pipe]bool
	cut       func(a, b netip.Addr) bool
}

// New makes a network without hosts.
func New() *Network {
	return &Network{
		Delay: time.Millisecond, packets: map[netip.AddrPort]*packetConn{}, listeners: map[netip.AddrPort]*listener{},
		pipes: map[*pipe]bool{}, cut: func(_, _ netip.Addr) bool { return false },
	}
}

var _ peers.Network = (*Network)(nil)

// Cut breaks the links between addresses that cut names, and what goes over them now.
func (n *Network) Cut(cut func(a, b netip.Addr) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
	for p := range n.pipes {
		if cut(p.local.Addr(), p.remote.Addr()) {
			p.Conn.Close()
		}
	}
}

// Heal mends all links.
func (n *Network) Heal() { n.Cut(func(_, _ netip.Addr) bool { return false }) }

// Listen accepts connections at an address.
func (n *Network) Listen(at netip.AddrPort) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[at] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: os.NewSyscallError("bind", os.ErrExist)}
	}
	l := &listener{net: n, at: at, conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[at] = l
	return l, nil
}

// ListenPacket receives packets at an address.
func (n *Network) ListenPacket(at netip.AddrPort) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &packetConn{net: n, at: at, in: make(chan packet, 4096), done: make(chan struct{})}
	n.packets[at] = p
	return p, nil
}

// Dial connects, at once or, where the link is cut, not before ctx ends.
func (n *Network) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	l, cut := n.listeners[to], n.cut(from, to.Addr())
	n.mu.Unlock()
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: os.ErrNotExist}
	}
	here, there := net.Pipe()
	source := netip.AddrPortFrom(from, 40000)
	a, b := &pipe{here, n, source, to}, &pipe{there, n, to, source}
	n.mu.Lock()
	n.pipes[a], n.pipes[b] = true, true
	n.mu.Unlock()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.done:
	case <-ctx.Done():
	}
	a.Close()
	b.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: net.ErrClosed}
}

// Send delivers a packet from any address, which need not be anybody's.
func (n *Network) Send(from, to netip.AddrPort, b []byte) {
	n.mu.Lock()
	p, cut := n.packets[to], n.cut(from.Addr(), to.Addr())
	n.mu.Unlock()
	if p == nil || cut {
		return
	}
	b = append([]byte(nil), b...)
	time.AfterFunc(n.Delay, func() {
		select {
		case p.in <- packet{b, from}:
		case <-p.done:
		default: // as a full socket buffer
		}
	})
}

type pipe struct {
	net.Conn
	net           *Network
	local, remote netip.AddrPort
}

func (p *pipe) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(p.local) }
func (p *pipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.remote) }

func (p *pipe) Close() error {
	p.net.mu.Lock()
	delete(p.net.pipes, p)
	p.net.mu.Unlock()
	return p.Conn.Close()
}

type listener struct {
	net   *Network
	at    netip.AddrPort
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, l.at)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

type packet struct {
	text []byte
	from netip.AddrPort
}

type packetConn struct {
	net  *Network
	at   netip.AddrPort
	in   chan packet
	once sync.Once
	done chan struct{}
}

func (p *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case one := <-p.in:
		return copy(b, one.text), net.UDPAddrFromAddrPort(one.from), nil
	case <-p.done:
		return 0, nil, net.ErrClosed
	}
}

func (p *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	p.net.Send(p.at, to.(*net.UDPAddr).AddrPort(), b)
	return len(b), nil
}

func (p *packetConn) Close() error {
	p.once.Do(func() {
		close(p.done)
		p.net.mu.Lock()
		defer p.net.mu.Unlock()
		delete(p.net.packets, p.at)
	})
	return nil
}

func (p *packetConn) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(p.at) }
func (p *packetConn) SetDeadline(time.Time) error      { return nil }
func (p *packetConn) SetReadDeadline(time.Time) error  { return nil }
func (p *packetConn) SetWriteDeadline(time.Time) error { return nil }
