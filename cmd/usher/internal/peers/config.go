package peers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
)

// Config is what a member is to be.
type Config struct {
	Name   string
	Listen netip.AddrPort // an address of this machine that the others reach
	Join   []netip.AddrPort
	// Key encrypts; empty for none, which is for loopback alone. OldKey is read, too, and
	// written with for as long as a member is there that does not have Key. Both have 16,
	// 24 or 32 bytes.
	Key, OldKey []byte
}

// keys are those that are read, the new one first.
func (c *Config) keys() [][]byte {
	var all [][]byte
	for _, k := range [][]byte{c.Key, c.OldKey} {
		if len(k) > 0 {
			all = append(all, k)
		}
	}
	return all
}

// fingerprints name the keys that are read, for those who have them.
func (c *Config) fingerprints() []string {
	var all []string
	for _, k := range c.keys() {
		all = append(all, fingerprint(k))
	}
	return all
}

func fingerprint(key []byte) string {
	sum := sha256.Sum256(append([]byte("usher peers key "), key...))
	return hex.EncodeToString(sum[:8])
}

// moved tells whether a member of config c has to leave and come anew to be one of o.
func (c *Config) moved(o *Config) bool {
	return c.Name != o.Name || c.Listen != o.Listen || len(c.Key) == 0 != (len(o.Key) == 0)
}

// equal tells whether nothing differs.
func (c *Config) equal(o *Config) bool {
	return !c.moved(o) && slices.Equal(c.Join, o.Join) && bytes.Equal(c.Key, o.Key) && bytes.Equal(c.OldKey, o.OldKey)
}
