package bfd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// port is that of single-hop control packets (RFC 5881 section 4).
const port = 3784

// The source ports (RFC 5881 section 4): one for each session.
const (
	sourceFirst = 49152
	sourceCount = 65536 - sourceFirst
)

// hop is the TTL and hop limit of every packet (RFC 5881 section 5).
const hop = 255

// wire sends one session's packets.
type wire struct{ conn net.Conn }

func openWire(p Peer) (*wire, error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error {
			if p.Interface != "" {
				if err := unix.BindToDevice(fd, p.Interface); err != nil {
					return err
				}
			}
			if p.Mark != 0 {
				if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)); err != nil {
					return err
				}
			}
			// Internet control (RFC 2474), as routers expect of routing protocols.
			if p.Address.Is4() {
				return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, hop),
					unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, 0xc0))
			}
			return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hop),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0xc0))
		})
	}}
	to := netip.AddrPortFrom(p.Address, port).String()
	var err error
	for range 16 { // a port may be in use
		source := netip.AddrPortFrom(p.Source, uint16(sourceFirst+rand.IntN(sourceCount)))
		dialer.LocalAddr = &net.UDPAddr{IP: source.Addr().AsSlice(), Port: int(source.Port()), Zone: source.Addr().Zone()}
		var conn net.Conn
		if conn, err = dialer.Dial("udp", to); err == nil {
			return &wire{conn}, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, fmt.Errorf("bfd: socket to %s: %w", p.Address, err)
}

func (w *wire) send(p Packet) error {
	_, err := w.conn.Write(p.Append(make([]byte, 0, packetSize)))
	return err
}

func (w *wire) close() {
	if w != nil {
		w.conn.Close()
	}
}

func control(raw syscall.RawConn, f func(fd int) error) error {
	var err error
	if outer := raw.Control(func(fd uintptr) { err = f(int(fd)) }); outer != nil {
		return outer
	}
	return err
}

// retry is how long hear waits before it tries again to open its sockets.
const retry = time.Second

// hear receives the packets of all sessions, for as long as there are any, until
// ctx ends. It opens nothing while there is no session.
func (e *Engine) hear(ctx context.Context) {
	ticker := time.NewTicker(retry)
	defer ticker.Stop()
	for {
		if e.wanted() {
			err := e.listen(ctx)
			if ctx.Err() != nil {
				return
			}
			e.hears(time.Now(), err)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.first:
		case <-ticker.C:
		}
	}
}

func (e *Engine) wanted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.byID) > 0
}

// listen serves both families until ctx ends or a socket fails.
func (e *Engine) listen(ctx context.Context) error {
	v4, err := open(ctx, "udp4")
	if err != nil {
		return err
	}
	defer v4.Close()
	v6, err := open(ctx, "udp6")
	switch {
	case err == nil:
		defer v6.Close()
	case !errors.Is(err, syscall.EAFNOSUPPORT): // a machine without IPv6
		return err
	}
	e.hears(time.Now(), nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.listen4(ctx, v4) })
	if err == nil {
		g.Go(func() error { return e.listen6(ctx, v6) })
	}
	return g.Wait()
}

func open(ctx context.Context, network string) (net.PacketConn, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, network, ":"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("bfd: cannot listen on UDP port %d (does another BFD daemon run?): %w", port, err)
	}
	return conn, nil
}

func (e *Engine) listen4(ctx context.Context, under net.PacketConn) error {
	defer context.AfterFunc(ctx, func() { under.Close() })()
	conn := ipv4.NewPacketConn(under)
	if err := conn.SetControlMessage(ipv4.FlagTTL|ipv4.FlagInterface, true); err != nil {
		return fmt.Errorf("bfd: receive TTL and interface: %w", err)
	}
	b := make([]byte, 256)
	for {
		n, cm, from, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		if cm != nil {
			e.receive(time.Now(), addrOf(from), cm.IfIndex, cm.TTL, b[:n])
		}
	}
}

func (e *Engine) listen6(ctx context.Context, under net.PacketConn) error {
	defer context.AfterFunc(ctx, func() { under.Close() })()
	conn := ipv6.NewPacketConn(under)
	if err := conn.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true); err != nil {
		return fmt.Errorf("bfd: receive hop limit and interface: %w", err)
	}
	b := make([]byte, 256)
	for {
		n, cm, from, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		if cm != nil {
			e.receive(time.Now(), addrOf(from), cm.IfIndex, cm.HopLimit, b[:n])
		}
	}
}

func addrOf(a net.Addr) netip.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
