package compare

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// MaxParts is how many parts a document names one by one, and maxBytes how much room they
// have there: less than share gives them, so that nothing is cut off.
const (
	MaxParts = 1000
	maxBytes = 44 << 10
	written  = 6 // bytes of punctuation for each
)

// Further is the part that stands for all virtual servers for which there was no room.
const Further = "virtual_server (further ones)"

// Fold makes one part of the virtual servers that are too many to be named, the last of
// them by name, so that a document stays small. The map is left as it is.
func Fold(parts map[string]string) map[string]string {
	size := 0
	for name, digest := range parts {
		size += len(name) + len(digest) + written
	}
	if len(parts) <= MaxParts && size <= maxBytes {
		return parts
	}
	out := map[string]string{}
	var many []string
	size = len(Further) + 12 + written
	for name, digest := range parts {
		if strings.HasPrefix(name, PartOf("")) || strings.HasPrefix(name, setOf) {
			many = append(many, name)
			continue
		}
		out[name] = digest
		size += len(name) + len(digest) + written
	}
	slices.Sort(many)
	sum := sha256.New()
	for _, name := range many {
		if size += len(name) + len(parts[name]) + written; size <= maxBytes && len(out) < MaxParts-1 {
			out[name] = parts[name]
			continue
		}
		sum.Write([]byte(name + "\x00" + parts[name] + "\x00"))
	}
	out[Further] = hex.EncodeToString(sum.Sum(nil)[:6])
	return out
}
