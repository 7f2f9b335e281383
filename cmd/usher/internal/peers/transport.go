package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Bounds of what comes. A group of 32 sends each of its members some 50 packets and a few
// connections a second.
const (
	packetsRead  = 5000    // a second, of anybody: the kernel drops what is not read
	packetsTaken = 1000    // a second, of those who have the key
	streamsTaken = 50      // a second
	openKnown    = 12      // connections at once, of members and of those to be joined
	openUnknown  = 2       // of everybody else
	maxPacket    = 2048    // bytes of a datagram; members send 1300
	bytesTaken   = 2 << 20 // a second, on connections of those who have the key
	bytesAtOnce  = 16 << 20
)

// transport has memberlist send and receive over this machine's sockets, and gives it
// nothing that the guard refuses.
type transport struct {
	network Network
	at      netip.AddrPort
	guard   *guard
	known   func(netip.Addr) bool // tells whether somebody at the address may be a member

	packetConn net.PacketConn
	listener   net.Listener
	packets    chan *memberlist.Packet
	streams    chan net.Conn
	room       *room // for what comes on connections
	bytes      *pace // of those who have the key

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	open map[*conn]bool // all connections
	in   [2]int         // those that came, of strangers and of known ones
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// listen opens the sockets.
func listen(n Network, at netip.AddrPort, g *guard, known func(netip.Addr) bool) (*transport, error) {
	l, err := n.Listen(at)
	if err != nil {
		return nil, err
	}
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), addressOf(l.Addr()).Port())
	}
	p, err := n.ListenPacket(at)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	t := &transport{
		network: n, at: at, guard: g, known: known, packetConn: p, listener: l,
		packets: make(chan *memberlist.Packet, 64), streams: make(chan net.Conn), room: newRoom(), bytes: newPace(bytesTaken, bytesAtOnce), open: map[*conn]bool{},
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wg.Go(t.receive)
	t.wg.Go(t.accept)
	return t, nil
}

// receive reads packets.
func (t *transport) receive() {
	buf := make([]byte, maxPacket+1)
	read, taken := newPace(packetsRead, packetsRead/10), newPace(packetsTaken, 2*packetsTaken)
	for {
		n, from, err := t.packetConn.ReadFrom(buf)
		if t.ctx.Err() != nil {
			return
		}
		if err != nil || !read.one() {
			if !t.pause(10 * time.Millisecond) {
				return
			}
		}
		if err != nil || n == 0 {
			continue
		}
		source := addressOf(from)
		if n > maxPacket {
			t.guard.refuse(reasonGiant, source, 1)
			continue
		}
		if reason := t.guard.packet(buf[:n]); reason != "" {
			t.guard.refuse(reason, source, 1)
			continue
		}
		if !taken.one() {
			t.guard.refuse(reasonFlood, source, 1)
			continue
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: time.Now()}:
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *transport) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.ctx.Done():
		return false
	}
}

// accept takes connections.
func (t *transport) accept() {
	taken := newPace(streamsTaken, 2*streamsTaken)
	for {
		c, err := t.listener.Accept()
		if t.ctx.Err() != nil {
			if c != nil {
				c.Close()
			}
			return
		}
		if err != nil {
			if !t.pause(10 * time.Millisecond) {
				return
			}
			continue
		}
		source := addressOf(c.RemoteAddr())
		s := &conn{Conn: c, transport: t, source: source}
		switch {
		case !taken.one():
			t.guard.refuse(reasonFlood, source, 1)
			c.Close()
		case !t.enter(s):
			t.guard.refuse(reasonBusy, source, 1)
			c.Close()
		default:
			t.wg.Go(func() { t.hand(s) })
		}
	}
}

// hand gives a connection to memberlist once its message is there and is one.
func (t *transport) hand(s *conn) {
	// What cannot be set is over anyway.
	_ = s.Conn.SetDeadline(time.Now().Add(patience))
	if err := s.load(); err != nil {
		s.Close()
		return
	}
	select {
	case t.streams <- s:
	case <-t.ctx.Done():
		s.Close()
	}
}

// enter notes an open connection that came, if there is room for it.
func (t *transport) enter(s *conn) bool {
	class, most := 0, openUnknown
	if t.known(s.source.Addr()) {
		class, most = 1, openKnown
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.in[class] == most {
		return false
	}
	t.in[class]++
	s.came, s.class = true, class
	t.open[s] = true
	return true
}

// leave notes that a connection is closed.
func (t *transport) leave(s *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open[s] {
		return
	}
	delete(t.open, s)
	if s.came {
		t.in[s.class]--
	}
}

// FinalAdvertiseAddr is where others reach this member.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.at.Addr().AsSlice(), int(t.at.Port()), nil
}

// WriteTo sends a packet.
func (t *transport) WriteTo(b []byte, to string) (time.Time, error) {
	address, err := netip.ParseAddrPort(to)
	if err != nil {
		return time.Time{}, fmt.Errorf("peers: %w", err)
	}
	_, err = t.packetConn.WriteTo(b, net.UDPAddrFromAddrPort(address))
	return time.Now(), err
}

// WriteToAddress sends a packet.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// PacketCh gives the packets that came.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh gives the connections that came.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout connects.
func (t *transport) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	address, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	ctx, cancel := context.WithTimeout(t.ctx, min(timeout, patience))
	defer cancel()
	c, err := t.network.Dial(ctx, t.at.Addr(), address)
	if err != nil {
		return nil, err
	}
	s := &conn{Conn: c, transport: t, source: address}
	t.mu.Lock()
	t.open[s] = true
	t.mu.Unlock()
	if t.ctx.Err() != nil { // closed meanwhile, perhaps before it was noted
		s.Close()
		return nil, t.ctx.Err()
	}
	return s, nil
}

// DialAddressTimeout connects.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

// Shutdown closes everything, and returns when nothing of it runs any more.
func (t *transport) Shutdown() error {
	t.cancel()
	err := errors.Join(t.listener.Close(), t.packetConn.Close())
	t.mu.Lock()
	all := make([]*conn, 0, len(t.open))
	for s := range t.open {
		all = append(all, s)
	}
	t.mu.Unlock()
	for _, s := range all {
		s.Close()
	}
	t.wg.Wait()
	return err
}
