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
)

// Discards are all reasons, for metrics that show zeros too.
var Discards = [...]Discard{
	DiscardTTL, DiscardVersion, DiscardLength, DiscardChecksum, DiscardVRID, DiscardType, DiscardAuthType, DiscardAuthMismatch,
	DiscardAuthFailure, DiscardInterval, DiscardOwnSource, DiscardUnknownPeer, DiscardPeerTTL,
}
