package bfd

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"

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

func openWire(p Peer) (*wire, error) { return dial(p, netip.AddrPortFrom(p.Address, port)) }

func dial(p Peer, to netip.AddrPort) (*wire, error) {
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
	var err error
	for range 16 { // a port may be in use
		source := netip.AddrPortFrom(p.Source, uint16(sourceFirst+rand.IntN(sourceCount)))
		dialer.LocalAddr = &net.UDPAddr{IP: source.Addr().AsSlice(), Port: int(source.Port()), Zone: source.Addr().Zone()}
		var conn net.Conn
		if conn, err = dialer.Dial("udp", to.String()); err == nil {
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
