package healthcheck

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// Hidden stands where a secret was.
const Hidden = "(hidden)"

// cut ends a quoted text of which only the beginning is shown.
const cut = `"...`

// Conceal hides secrets in a text for people, which may hold them because a server
// sent back what it was told: each as it is, quoted as %q does, and in base64. At
// the end of a quotation that is cut off (`"begin"...`) the beginning of a secret
// is hidden too. Empty secrets are passed over.
func Conceal(text string, secrets ...string) string {
	var forms []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted := strconv.Quote(s)
		forms = append(forms, s, quoted[1:len(quoted)-1], base64.StdEncoding.EncodeToString([]byte(s)))
	}
	if len(forms) == 0 || text == "" {
		return text
	}
	// The longest first: one secret may be part of another.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, Hidden)
	}
	parts := strings.Split(strings.NewReplacer(pairs...).Replace(text), cut)
	for i, part := range parts[:len(parts)-1] {
		n := 0
		for _, f := range forms {
			n = max(n, overlap(part, f))
		}
		if n > 0 {
			parts[i] = part[:len(part)-n] + Hidden
		}
	}
	return strings.Join(parts, cut)
}

// overlap is the length of the longest beginning of s that text ends with.
func overlap(text, s string) int {
	for n := min(len(text), len(s)); n > 0; n-- {
		if strings.HasSuffix(text, s[:n]) {
			return n
		}
	}
	return 0
}

// secretWords are those of headers that carry credentials.
var secretWords = []string{"authorization", "cookie", "token", "secret", "password", "credential"}

// Secret says whether the header carries a credential, as far as its name tells.
func (h Header) Secret() bool {
	name := strings.ToLower(h.Name)
	return strings.HasSuffix(name, "key") || strings.HasSuffix(name, "auth") ||
		slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}
