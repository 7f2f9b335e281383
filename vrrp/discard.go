package vrrp

// Discard is why a received packet was thrown away. A discarded packet changes
// nothing but the counter of its reason. The words follow RFC 8347's
// identities for protocol and packet errors (section 3).
type Discard string

// The reasons, in the order in which receipt checks them (RFC 9568 section 7.1).
const (
	DiscardNone         Discard = ""
	DiscardTTL          Discard = "ip_ttl_error"
	DiscardVersion      Discard = "version_error"
	DiscardLength       Discard = "packet_length_error"
	DiscardChecksum     Discard = "checksum_error"
	DiscardVRID         Discard = "vrid_error"
	DiscardType         Discard = "invalid_type"
	DiscardAuthType     Discard = "invalid_auth_type"
	DiscardAuthMismatch Discard = "auth_type_mismatch"
	DiscardAuthFailure  Discard = "auth_failure"
	DiscardInterval     Discard = "interval_error"
	DiscardOwnSource    Discard = "own_source"
	DiscardUnknownPeer  Discard = "unknown_peer"
	DiscardPeerTTL      Discard = "peer_ttl_error"

	// Of the trailer of an HMAC, in the order of receipt, before the checksum is looked at.
	DiscardHMACMissing    Discard = "hmac_missing"     // there is none, and it is enforced
	DiscardHMACMalformed  Discard = "hmac_malformed"   // of another scheme, or with bits that are reserved
	DiscardHMACStale      Discard = "hmac_stale"       // its time is further from this clock than the window
	DiscardHMACUnknownKey Discard = "hmac_unknown_key" // no key has its identifier
	DiscardHMACBad        Discard = "hmac_bad"         // the hash is another one
	DiscardHMACReplay     Discard = "hmac_replay"      // not after the last one of its sender
)

// Discards are all reasons, for metrics that show zeros too.
var Discards = [...]Discard{
	DiscardTTL, DiscardVersion, DiscardLength, DiscardChecksum, DiscardVRID, DiscardType, DiscardAuthType, DiscardAuthMismatch,
	DiscardAuthFailure, DiscardInterval, DiscardOwnSource, DiscardUnknownPeer, DiscardPeerTTL,
	DiscardHMACMissing, DiscardHMACMalformed, DiscardHMACStale, DiscardHMACUnknownKey, DiscardHMACBad, DiscardHMACReplay,
}
