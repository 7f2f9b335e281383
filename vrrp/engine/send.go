package engine

import (
	"fmt"
	"net/netip"
	"time"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// multicastTTL is what adverts are sent with, and must arrive with where they
// are not unicast: no router was in between (RFC 9568 section 5.1.1.3).
const multicastTTL = 255

// send puts one advert of each family on the wire, priority 0 for a resignation.
func (e *Engine) send(now time.Time, in *instance, priority uint8) {
	for i := range in.families {
		f := &in.families[i]
		if !f.source.IsValid() {
			continue
		}
		if len(f.peers) == 0 {
			e.sendTo(now, in, f, priority, f.group, multicastTTL)
		}
		for _, p := range f.peers {
			e.sendTo(now, in, f, priority, p.Address, unicastTTL(in.cfg.Unicast))
		}
		in.stats.AdvertsSent++
		if priority == 0 {
			in.stats.PriorityZeroSent++
		}
	}
}

func unicastTTL(u *vrrp.Unicast) uint8 {
	if u.TTL == 0 {
		return multicastTTL
	}
	return u.TTL
}

func (e *Engine) sendTo(now time.Time, in *instance, f *family, priority uint8, dst netip.Addr, ttl uint8) {
	a := packet.Advert{
		Version: in.cfg.Version, VRID: in.cfg.VRID, Priority: priority, Interval: in.cfg.Interval, Addresses: f.addresses,
		Text: in.cfg.Password != "", Password: packet.Password(in.cfg.Password),
	}
	in.buf = packet.Append(in.buf[:0], a, f.source, dst, in.form)
	out := Outgoing{Interface: f.device.Name, Index: f.device.Index, Source: f.source, Destination: dst, TTL: ttl, Payload: in.buf}
	if in.cfg.VirtualMAC && dst.IsMulticast() {
		out.MAC = vrrp.VirtualMAC(in.cfg.VRID, f.v6)
	}
	err := e.ports.Send(in.cfg.Name, out)
	if err != nil && e.limits.allow(now, limit{in.cfg.Name, dst, "send"}) {
		e.event(now, in, vrrp.EventSend, fmt.Sprintf("advertisement not sent: %v", err))
	}
}
