package share

// Refusal is why something that a member said is not taken.
type Refusal string

// The reasons.
const (
	Invalid Refusal = "invalid" // nothing that a member writes: out of bounds, not printable, not to be decoded
	Future  Refusal = "future"  // its clock is more than MaxAhead ahead
	Full    Refusal = "full"    // there is no room for more
	Old     Refusal = "old"     // so old that it is forgotten here; nothing is wrong with that
)

// Error gives the reason.
func (r Refusal) Error() string { return "peers: " + string(r) }
