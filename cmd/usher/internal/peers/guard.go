package peers

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"usher/cmd/usher/internal/peers/share"
)

// Why packets and messages are refused, beside share's reasons.
const (
	reasonKey       = "key"       // not encrypted with a key of ours: foreign, or of a member with another key
	reasonMalformed = "malformed" // encrypted with our key, and still nothing that a member sends
	reasonGiant     = "giant"     // larger than any state can be
	reasonFlood     = "flood"     // more than a group of that size ever sends
	reasonBusy      = "busy"      // a connection while too many are open
)

// Refusals are all the reasons, for whoever counts.
func Refusals() []string {
	return []string{reasonKey, reasonMalformed, reasonGiant, reasonFlood, reasonBusy, string(share.Invalid), string(share.Future), string(share.Full)}
}

// Refused is what was refused last.
type Refused struct {
	Reason string
	From   netip.AddrPort
	At     time.Time
}

// guard looks at what comes before memberlist does: that it is encrypted with one of our
// keys, is of a kind that a member sends, and claims no more memory than it may.
// memberlist 0.7.0 with the right key can be told to expand 6 bytes to 120 megabytes, and
// ends the process at an encrypted message without content.
type guard struct {
	ciphers atomic.Pointer[[]cipher.AEAD] // of the keys that are read; none for no encryption

	mu     sync.Mutex
	counts map[string]uint64
	last   Refused
	told   func(Refused) // after each, without the lock
}

func newGuard(told func(Refused)) *guard {
	g := &guard{counts: map[string]uint64{}, told: told}
	g.ciphers.Store(&[]cipher.AEAD{})
	return g
}

// read makes the keys those that are read from now on.
func (g *guard) read(keys [][]byte) error {
	var all []cipher.AEAD
	for _, k := range keys {
		block, err := aes.NewCipher(k)
		if err != nil {
			return err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return err
		}
		all = append(all, gcm)
	}
	g.ciphers.Store(&all)
	return nil
}

func (g *guard) encrypted() bool { return len(*g.ciphers.Load()) > 0 }

// refuse counts one.
func (g *guard) refuse(reason string, from netip.AddrPort, n int) {
	if n == 0 {
		return
	}
	r := Refused{Reason: reason, From: from, At: time.Now()}
	g.mu.Lock()
	g.counts[reason] += uint64(n)
	g.last = r
	g.mu.Unlock()
	g.told(r)
}

// refused gives the counts by reason, and the last.
func (g *guard) refused() (map[string]uint64, *Refused) {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := make(map[string]uint64, len(g.counts))
	for r, n := range g.counts {
		counts[r] = n
	}
	if g.last.Reason == "" {
		return counts, nil
	}
	last := g.last
	return counts, &last
}

// memberlist's kinds of messages, by the first byte. They are part of its protocol.
const (
	kindPing         = 0
	kindIndirectPing = 1
	kindAck          = 2
	kindSuspect      = 3
	kindAlive        = 4
	kindDead         = 5
	kindPushPull     = 6
	kindCompound     = 7
	kindUser         = 8
	kindEncrypted    = 10
	kindNack         = 11
	kindChecksum     = 12
	kindError        = 13
)

// Parts of an encrypted message: a version, a nonce, the text, a tag.
const (
	cipherVersion = 1
	nonceSize     = 12
	sealed        = 1 + nonceSize + 16 // bytes of one without text
)

// open gives the text of an encrypted message; nil where no key of ours opens it.
func (g *guard) open(box, with []byte) []byte {
	if len(box) < sealed || box[0] != cipherVersion {
		return nil
	}
	for _, c := range *g.ciphers.Load() {
		if text, err := c.Open(nil, box[1:1+nonceSize], box[1+nonceSize:], with); err == nil {
			return append(text, 0)[:len(text)] // never nil
		}
	}
	return nil
}

// packet gives why a datagram is refused; "" where it is not.
func (g *guard) packet(b []byte) (reason string) {
	if g.encrypted() {
		if b = g.open(b, nil); b == nil {
			return reasonKey
		}
	}
	if len(b) > 5 && b[0] == kindChecksum {
		b = b[5:]
	}
	if len(b) > 0 && b[0] == kindCompound {
		return compound(b[1:])
	}
	return simple(b)
}

// simple looks at one message of a packet.
func simple(b []byte) (reason string) {
	if len(b) < 2 {
		return reasonMalformed
	}
	switch b[0] {
	case kindPing, kindIndirectPing, kindAck, kindSuspect, kindAlive, kindDead, kindUser, kindNack:
		return ""
	}
	return reasonMalformed
}

// compound looks at each of several messages in one packet.
func compound(b []byte) (reason string) {
	if len(b) == 0 || len(b) < 1+2*int(b[0]) {
		return reasonMalformed
	}
	n := int(b[0])
	lengths, rest := b[1:1+2*n], b[1+2*n:]
	for i := range n {
		size := int(binary.BigEndian.Uint16(lengths[2*i:]))
		if size > len(rest) {
			return reasonMalformed
		}
		if reason := simple(rest[:size]); reason != "" {
			return reason
		}
		rest = rest[size:]
	}
	return ""
}

// maxNodes is how many nodes a state may have: the members, and those that are gone.
const maxNodes = 4 * share.MaxMembers

// maxShort bounds messages on a connection that are no states.
const maxShort = 4 << 10

// streamed gives why the text of a message on a connection is refused; "" where it is not.
func streamed(text []byte) (reason string) {
	if len(text) < 2 {
		return reasonMalformed
	}
	var h struct {
		Nodes, UserStateLen, UserMsgLen int
	}
	switch text[0] {
	case kindPing, kindAck, kindError:
		if len(text) > maxShort {
			return reasonGiant
		}
		return ""
	case kindPushPull, kindUser:
		if err := codec.NewDecoderBytes(text[1:], &codec.MsgpackHandle{}).Decode(&h); err != nil {
			return reasonMalformed
		}
	default:
		return reasonMalformed
	}
	if h.Nodes < 0 || h.UserStateLen < 0 || h.UserMsgLen < 0 {
		return reasonMalformed
	}
	if h.Nodes > maxNodes || h.UserStateLen > len(text) || h.UserMsgLen > len(text) {
		return reasonGiant
	}
	return ""
}
