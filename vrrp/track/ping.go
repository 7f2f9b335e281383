package track

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// ping sends one ICMP echo request (RFC 792, RFC 4443 section 4.1) and waits for
// its answer until the context ends. It needs CAP_NET_RAW.
func ping(ctx context.Context, to netip.Addr) error {
	network, protocol := "ip4:icmp", 1
	var request, answer icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if to.Is6() {
		network, protocol = "ip6:ipv6-icmp", 58
		request, answer = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	conn, err := icmp.ListenPacket(network, "")
	if err != nil {
		return fmt.Errorf("open an ICMP socket: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	// The number in the data is what tells this answer from others: every
	// socket of this kind gets every answer.
	var secret [16]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	echo := icmp.Message{Type: request, Body: &icmp.Echo{ID: int(binary.BigEndian.Uint16(secret[:])), Seq: 1, Data: secret[:]}}
	b, err := echo.Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("no answer: %w", context.Cause(ctx))
			}
			return err
		}
		m, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || m.Type != answer {
			continue
		}
		ip, ok := from.(*net.IPAddr)
		body, isEcho := m.Body.(*icmp.Echo)
		if ok && isEcho && ip.IP.Equal(to.AsSlice()) && string(body.Data) == string(secret[:]) {
			return nil
		}
	}
}
