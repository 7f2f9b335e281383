package vrrp

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// HMAC is the authentication of adverts by a trailer with a keyed hash, as
// draft-cassen-vrrp-auth-hmac has it and keepalived speaks it from 2.4.2 on. It is for
// versions 2 and 3, multicast and unicast.
type HMAC struct {
	Keys       []HMACKey     `json:"keys"`        // adverts are accepted that any of them signed
	ActiveKey  uint8         `json:"active_key"`  // identifier of the one that signs
	AntiReplay AntiReplay    `json:"anti_replay"` // what else than its order makes an advert new
	Window     time.Duration `json:"window"`      // whole seconds, 1s to 300s
	Mode       HMACMode      `json:"mode"`
}

// HMACKey is one key: 32 to 64 bytes that all routers of the group share.
type HMACKey struct {
	ID     uint8  `json:"id"` // 1..255
	Secret Secret `json:"secret"`
}

// Secret are bytes that nothing writes for people: every verb of package fmt gives
// "(hidden)". In JSON, which goes to usher's own processes, they are base64.
type Secret []byte

// Format implements fmt.Formatter.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(hidden)")) }

// AntiReplay is how an advert that was sent before is told from a new one.
type AntiReplay string

// The two ways. In both, each advert of a sender has to be later than the one before.
const (
	AntiReplayTime      AntiReplay = "time"      // and within the window of the receiver's clock
	AntiReplayMonotonic AntiReplay = "monotonic" // for machines whose clocks differ
)

// HMACMode is a step of the way from adverts without a trailer to none but signed ones.
// A trailer that is there has to be good in every mode.
type HMACMode string

// The modes.
const (
	HMACReceiveOnly HMACMode = "receive-only" // sends none, accepts adverts without
	HMACPermissive  HMACMode = "permissive"   // sends one, accepts adverts without
	HMACEnforce     HMACMode = "enforce"      // sends one, discards adverts without
)

// Limits of keys, in bytes: as many as a hash has, and a block of it.
const (
	MinHMACKey = 32
	MaxHMACKey = 64
)

// MaxHMACWindow is the longest window; the shortest is a second.
const MaxHMACWindow = 300 * time.Second

// leastWindow is the shortest window that is not asked for.
const leastWindow = 5 * time.Second

// TrailerLen is the length of the trailer in bytes.
const TrailerLen = 28

// DefaultHMACWindow is three intervals in whole seconds, between 5 s and 300 s, as
// keepalived has it: a fraction of a second of the interval is cut off first.
func DefaultHMACWindow(interval time.Duration) time.Duration {
	return min(max(3*interval.Truncate(time.Second), leastWindow), MaxHMACWindow)
}

// Signs says whether adverts are sent with a trailer; a nil HMAC signs nothing.
func (h *HMAC) Signs() bool { return h != nil && h.Mode != HMACReceiveOnly }

// Enforces says whether adverts without a trailer are discarded.
func (h *HMAC) Enforces() bool { return h != nil && h.Mode == HMACEnforce }

// Key gives the key of an identifier.
func (h *HMAC) Key(id uint8) (HMACKey, bool) {
	i := slices.IndexFunc(h.Keys, func(k HMACKey) bool { return k.ID == id })
	if i < 0 {
		return HMACKey{}, false
	}
	return h.Keys[i], true
}

// hears says whether a router with these settings takes what one with those sends.
func (h *HMAC) hears(from *HMAC) bool {
	if !from.Signs() {
		return !h.Enforces()
	}
	if h == nil {
		return false // as too long, by every router that does not know the trailer
	}
	signed, _ := from.Key(from.ActiveKey)
	known, ok := h.Key(from.ActiveKey)
	return ok && bytes.Equal(known.Secret, signed.Secret)
}

// hmacEffect: what is changed on one router after the other is quiet where before and
// after hear each other.
func hmacEffect(a, b Config) Effect {
	if a.HMAC.hears(b.HMAC) && b.HMAC.hears(a.HMAC) {
		return Quiet
	}
	return Parts
}

func (c Config) checkHMAC(f *faults) {
	h := c.HMAC
	if h == nil {
		return
	}
	const key = "authentication."
	if c.Password != "" {
		f.add(key+"password", `take it out, or give type = "pass"`, "an instance has one kind of authentication, and this one has keys of an HMAC")
	}
	if len(h.Keys) == 0 {
		f.add("authentication", `add key "1" { secret = file("...") } and active_key = 1`, "there is no key")
	}
	seen := map[uint8]bool{}
	for i, k := range h.Keys {
		place := fmt.Sprintf(key+"key[%d]", i)
		f.in(place, int(k.ID), 1, 255)
		if seen[k.ID] {
			f.add(place, "give each key an identifier of its own", "there are two keys %d", k.ID)
		}
		seen[k.ID] = true
		if n := len(k.Secret); n < MinHMACKey || n > MaxHMACKey {
			f.add(place+".secret", `openssl rand -hex 32 makes 64 digits: write "hex:" before them`, "a key of %d bytes; it has to have %d to %d", n, MinHMACKey, MaxHMACKey)
		}
	}
	if _, ok := h.Key(h.ActiveKey); !ok && len(h.Keys) > 0 {
		f.add(key+"active_key", "name one of the keys", "there is no key %d", h.ActiveKey)
	}
	if h.Window < time.Second || h.Window > MaxHMACWindow || h.Window%time.Second != 0 {
		f.add(key+"window", "give whole seconds from 1s to 300s", "%v is no window", h.Window)
	}
	if h.AntiReplay != AntiReplayTime && h.AntiReplay != AntiReplayMonotonic {
		f.add(key+"anti_replay", `give "time" or "monotonic"`, "there is no such way")
	}
	if !slices.Contains([]HMACMode{HMACReceiveOnly, HMACPermissive, HMACEnforce}, h.Mode) {
		f.add(key+"mode", `give "receive-only", "permissive" or "enforce"`, "there is no such mode")
	}
}
