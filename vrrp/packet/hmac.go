package packet

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"net/netip"

	"usher/vrrp"
)

// schemeSHA256 is HMAC-SHA256 cut to its first 16 bytes, the only scheme that there is.
const schemeSHA256 = 1

// Offsets in the trailer. Everything before the tag is hashed with it.
const (
	offKeyID    = 1
	offReserved = 2
	offSequence = 4
	offTag      = 12
)

// Trailer is what follows a signed message.
type Trailer [vrrp.TrailerLen]byte

// ReadTrailer reads what Split found; ok is false where it is of an unknown scheme, or a
// reserved bit is set.
func ReadTrailer(b []byte) (t Trailer, ok bool) {
	ok = len(b) == len(t) && b[0] == schemeSHA256 && binary.BigEndian.Uint16(b[offReserved:]) == 0
	copy(t[:], b)
	return t, ok
}

// KeyID is the identifier of the key that it was signed with.
func (t *Trailer) KeyID() uint8 { return t[offKeyID] }

// Sequence is the sender's stamp.
func (t *Trailer) Sequence() vrrp.Sequence {
	return vrrp.Sequence(binary.BigEndian.Uint64(t[offSequence:]))
}

// Key is a secret made ready to sign and to verify, without an allocation. It is not safe
// for concurrent use.
type Key struct {
	id  uint8
	mac hash.Hash
	in  [prefixLen]byte // what a call hashes beside the message; here, for it may not escape
	sum [sha256.Size]byte
}

// prefixLen is the length of what is hashed before the message: family, version, VRID, a
// zero and the source, which is filled with zeros to 16 bytes.
const prefixLen = 20

// zeros stand in the place of the checksum, and of the tag.
var zeros [vrrp.TrailerLen - offTag]byte

// NewKey makes a key ready.
func NewKey(k vrrp.HMACKey) *Key { return &Key{id: k.ID, mac: hmac.New(sha256.New, k.Secret)} }

// ID is the key's identifier.
func (k *Key) ID() uint8 { return k.id }

// Sign gives the trailer of a message that src sends. It says nothing of the destination
// and of the checksum: one signature is good for all peers.
func (k *Key) Sign(msg []byte, src netip.Addr, s vrrp.Sequence) (t Trailer) {
	t[0], t[offKeyID] = schemeSHA256, k.id
	binary.BigEndian.PutUint64(t[offSequence:], uint64(s))
	copy(t[offTag:], k.tag(msg, &t, src))
	return t
}

// Verify says, in a time that does not depend on it, whether a trailer is that of a message.
func (k *Key) Verify(msg []byte, t *Trailer, src netip.Addr) bool {
	return subtle.ConstantTimeCompare(k.tag(msg, t, src), t[offTag:]) == 1
}

// tag hashes a message of at least a header, whose version and VRID the receiver has
// compared with its own.
func (k *Key) tag(msg []byte, t *Trailer, src netip.Addr) []byte {
	k.in = [prefixLen]byte{4, msg[0] >> 4, msg[1]}
	if src.Is4() {
		a := src.As4()
		copy(k.in[4:], a[:])
	} else {
		a := src.As16()
		k.in[0] = 6
		copy(k.in[4:], a[:])
	}
	k.mac.Reset()
	k.mac.Write(k.in[:])
	k.mac.Write(msg[:6])
	k.mac.Write(zeros[:2])
	k.mac.Write(msg[headerLen:])
	copy(k.in[:], t[:offTag])
	k.mac.Write(k.in[:offTag])
	k.mac.Write(zeros[:])
	return k.mac.Sum(k.sum[:0])[:vrrp.TrailerLen-offTag]
}

// AppendTrailer appends a trailer to the message that begins at start. Over IPv6 the
// checksum covers it, too (RFC 8200 section 8.1), and is made anew.
func AppendTrailer(b []byte, start int, t *Trailer, src, dst netip.Addr) []byte {
	b = append(b, t[:]...)
	if !dst.Is6() {
		return b
	}
	all := b[start:]
	all[6], all[7] = 0, 0
	sum := checksum(all, pseudo(all[0]>>4, src, dst, len(all), FormPseudoHeader))
	binary.BigEndian.PutUint16(all[6:8], sum)
	return b
}
