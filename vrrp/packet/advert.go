package packet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"usher/vrrp"
)

// Sizes in bytes. A version 2 message always ends in eight bytes of
// authentication data, also where there is none (RFC 3768 section 5.1).
const (
	headerLen = 8
	authLen   = 8
)

const typeAdvert = 1 // the only type there is (RFC 9568 section 5.2.2)

// Authentication types of version 2 (RFC 2338 section 5.3.6).
const (
	authNone = 0
	authText = 1
)

// Units and greatest values of the advertisement interval.
const (
	centisecond    = 10 * time.Millisecond
	maxCentisecond = 4095
)

// Advert is an advertisement. All addresses are of one family, which is that of
// the IP header.
type Advert struct {
	Version   uint8
	VRID      uint8
	Priority  uint8
	Interval  time.Duration // whole seconds in version 2, centiseconds in version 3
	Addresses []netip.Addr
	// Text says that version 2's simple text authentication is used, with Password
	// padded by zero bytes.
	Text     bool
	Password [authLen]byte
}

// Password brings a password to the form that an advert carries.
func Password(s string) (p [authLen]byte) {
	copy(p[:], s)
	return p
}

// Form says how the checksum of a version 3 message over IPv4 is computed; all
// other messages have one form only.
type Form uint8

// The forms, both met in the field.
const (
	FormMessage      Form = iota // over the message alone (RFC 9568 section 5.2.8)
	FormPseudoHeader             // with a pseudo-header before it, as keepalived and FRR do
)

// Append marshals the advert at the end of b. src and dst stand in the IP header
// and matter to checksums with a pseudo-header. The advert must be valid: at most
// 255 addresses of the family of dst, an interval in its version's range.
func Append(b []byte, a Advert, src, dst netip.Addr, form Form) []byte {
	start := len(b)
	b = append(b, a.Version<<4|typeAdvert, a.VRID, a.Priority, uint8(len(a.Addresses)))
	if a.Version == 2 {
		auth := byte(authNone)
		if a.Text {
			auth = authText
		}
		b = append(b, auth, uint8(a.Interval/time.Second))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(a.Interval/centisecond)&maxCentisecond)
	}
	b = append(b, 0, 0)
	for _, addr := range a.Addresses {
		b = append(b, addr.AsSlice()...)
	}
	if a.Version == 2 {
		b = append(b, a.Password[:]...)
	}
	msg := b[start:]
	sum := checksum(msg, pseudo(a.Version, src, dst, len(msg), form))
	binary.BigEndian.PutUint16(msg[6:8], sum)
	return b
}

// Split takes a received message apart: the message itself, as long as its version and
// count of addresses say, and the trailer with its hash, nil where there is none. Nothing
// but the length announces that.
func Split(b []byte, v6 bool) (msg, trailer []byte, reason vrrp.Discard) {
	if len(b) < headerLen {
		return nil, nil, vrrp.DiscardLength
	}
	version := b[0] >> 4
	if version != 3 && (version != 2 || v6) {
		return nil, nil, vrrp.DiscardVersion
	}
	n := headerLen + int(b[3])*addressLen(v6)
	if version == 2 {
		n += authLen
	}
	switch len(b) {
	case n:
		return b, nil, vrrp.DiscardNone
	case n + vrrp.TrailerLen:
		return b[:n], b[n:], vrrp.DiscardNone
	}
	return nil, nil, vrrp.DiscardLength
}

func addressLen(v6 bool) int {
	if v6 {
		return 16
	}
	return 4
}

// Parse reads a received message. It makes the checks of RFC 9568 section 7.1
// that need the message alone, with the erratum 8301 (interval zero); that of erratum
// 8299 (no address) is the receiver's to make, which may be without addresses itself.
// The reason is vrrp.DiscardNone when all passed. A first IPv6 address that is not
// link-local, which erratum 8300 discards, is let pass: keepalived sends such lists, and
// a director that did not hear it would be active beside it. A trailer is passed over:
// its checks come before these, see Split. What was read before a check failed is in the
// advert, so that a failure can be laid at the door of a VRID.
func Parse(b []byte, src, dst netip.Addr) (Advert, Form, vrrp.Discard) {
	var a Advert
	msg, _, reason := Split(b, dst.Is6())
	if len(b) >= headerLen {
		a.Version, a.VRID, a.Priority = b[0]>>4, b[1], b[2]
	}
	switch {
	case reason == vrrp.DiscardVersion:
		return a, 0, reason
	case len(b) >= headerLen && b[0]&0xf != typeAdvert:
		return a, 0, vrrp.DiscardType
	case reason != vrrp.DiscardNone:
		return a, 0, reason
	}
	covered := msg
	if dst.Is6() {
		covered = b // RFC 8200 section 8.1 covers the whole payload
	}
	form, ok := verify(a.Version, covered, src, dst)
	if !ok {
		return a, 0, vrrp.DiscardChecksum
	}
	if reason := a.readInterval(msg); reason != vrrp.DiscardNone {
		return a, form, reason
	}
	a.Addresses = make([]netip.Addr, msg[3])
	size := addressLen(dst.Is6())
	for i := range a.Addresses {
		at := headerLen + i*size
		a.Addresses[i], _ = netip.AddrFromSlice(msg[at : at+size])
	}
	return a, form, vrrp.DiscardNone
}

// readInterval reads bytes 4 and 5: version 3's interval, version 2's
// authentication type and interval, and version 2's password after the addresses.
func (a *Advert) readInterval(b []byte) vrrp.Discard {
	if a.Version == 3 {
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:6])&maxCentisecond) * centisecond
	} else {
		switch b[4] {
		case authNone:
		case authText:
			a.Text = true
		default:
			return vrrp.DiscardAuthType
		}
		a.Interval = time.Duration(b[5]) * time.Second
		copy(a.Password[:], b[len(b)-authLen:])
	}
	if a.Interval == 0 {
		return vrrp.DiscardInterval
	}
	return vrrp.DiscardNone
}
