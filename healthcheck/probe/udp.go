package probe

import (
	"context"
	"errors"

	"usher/healthcheck"
)

// udp sends a datagram and judges what comes back: an answer, an ICMP error, or
// silence, which is good unless a reply is required.
func udp(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	var u healthcheck.UDP
	if c.UDP != nil {
		u = *c.UDP
	}
	conn, err := dialUDP(ctx, c)
	if err != nil {
		return failedBy(c, "opening the socket", err)
	}
	defer conn.Close()
	if _, err := conn.Write(u.Payload); err != nil {
		return failedBy(c, "sending", err)
	}
	buf := make([]byte, 65536)
	n, err := conn.Read(buf)
	switch {
	case err == nil:
		if err := judgeDatagram(&u, buf[:n]); err != nil {
			return failedBy(c, "judging the reply", err)
		}
		return pass()
	case isTimeout(err) && !u.RequireReply && !errors.Is(context.Cause(ctx), context.Canceled):
		return pass()
	}
	return failedBy(c, "waiting for the reply", err)
}

// judgeDatagram compares a reply with what is expected, bit by bit where there is a mask.
func judgeDatagram(u *healthcheck.UDP, reply []byte) error {
	if len(reply) < u.MinReply {
		return judge("the reply has %d bytes, want at least %d", len(reply), u.MinReply)
	}
	if u.MaxReply > 0 && len(reply) > u.MaxReply {
		return judge("the reply has %d bytes, want at most %d", len(reply), u.MaxReply)
	}
	if len(reply) < len(u.Expect) {
		return judge("the reply has %d bytes, fewer than the %d expected: %x", len(reply), len(u.Expect), reply)
	}
	for i, want := range u.Expect {
		bits := byte(0xff)
		if i < len(u.Mask) {
			bits = u.Mask[i]
		}
		if (reply[i]^want)&bits != 0 {
			return judge("byte %d of the reply is %02x, want %02x (of %02x)", i, reply[i], want, bits)
		}
	}
	return nil
}
