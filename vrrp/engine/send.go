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
	var failure error // the first
	var stamp vrrp.Sequence
	if in.auth.signer != nil {
		stamp = e.stamp(now, in)
	}
	for i := range in.families {
		f := &in.families[i]
		if !f.source.IsValid() {
			continue
		}
		sent := false
		var trailer packet.Trailer
		for j, to := range f.to {
			var out Outgoing
			out, in.buf = in.advert(f, priority, to, in.buf)
			if in.auth.signer != nil {
				if j == 0 { // it is the same for all peers
					trailer = in.auth.signer.Sign(in.buf, f.source, stamp)
				}
				in.buf = packet.AppendTrailer(in.buf, 0, &trailer, f.source, to)
				out.Payload = in.buf
			}
			err := e.ports.Send(in.cfg.Name, out)
			if sent = sent || err == nil; failure == nil {
				failure = err
			}
			if err != nil && e.limits.allow(now, limit{in.cfg.Name, to, "send"}) {
				e.event(now, in, vrrp.EventSend, fmt.Sprintf("advertisement not sent: %v", err))
			}
		}
		if !sent {
			continue
		}
		in.stats.AdvertsSent++
		if priority == 0 {
			in.stats.PriorityZeroSent++
		}
	}
	in.noteSent(now, failure)
	if priority > 0 {
		e.bequeath(in)
	}
}

// noteSent keeps why the last advert did not get to all whom it is for. Who does not hear
// this router takes over beside it.
func (in *instance) noteSent(now time.Time, failure error) {
	switch {
	case failure == nil:
		in.unsent = nil
	case in.unsent == nil:
		in.unsent = &vrrp.Unsent{Text: failure.Error(), Since: now}
	default:
		in.unsent.Text = failure.Error()
	}
}

// Lengths of headers before the addresses of an advert, and of version 2's password.
// keepalived counts the Ethernet header as a part of the MTU; so it is here, since it
// discards a list that is longer than its own.
const (
	headerLink   = 14
	header4      = 20
	header6      = 40
	headerVRRP   = 8
	passwordLen2 = 8
)

// carried are the addresses that an advert of a family carries: as many of the first as fit
// a packet of the device, for adverts are not fragmented. Peers do not discard for a list
// that is not theirs.
func (in *instance) carried(f *family) []netip.Addr {
	if f.device.MTU == 0 {
		return f.addresses
	}
	room, size := f.device.MTU-headerLink-headerVRRP-header4, 4
	if f.v6 {
		room, size = f.device.MTU-headerLink-headerVRRP-header6, 16
	}
	if in.cfg.Version == 2 {
		room -= passwordLen2
	}
	if in.cfg.HMAC.Signs() {
		room -= vrrp.TrailerLen
	}
	return f.addresses[:min(max(room/size, 1), len(f.addresses))]
}

func unicastTTL(u *vrrp.Unicast) uint8 {
	if u.TTL == 0 {
		return multicastTTL
	}
	return u.TTL
}

// advert makes one advertisement to one destination, in buf as far as it is large enough.
func (in *instance) advert(f *family, priority uint8, to netip.Addr, buf []byte) (Outgoing, []byte) {
	a := packet.Advert{
		Version: in.cfg.Version, VRID: in.cfg.VRID, Priority: priority, Interval: in.cfg.Interval, Addresses: in.carried(f),
		Text: in.cfg.Password != "", Password: packet.Password(in.cfg.Password),
	}
	buf = packet.Append(buf[:0], a, f.source, to, in.form)
	out := Outgoing{Interface: f.device.Name, Index: f.device.Index, Source: f.source, Destination: to, TTL: multicastTTL, Payload: buf}
	if !to.IsMulticast() {
		out.TTL = unicastTTL(in.cfg.Unicast)
	} else if in.cfg.VirtualMAC {
		out.MAC = vrrp.VirtualMAC(in.cfg.VRID, f.v6)
	}
	return out, buf
}
