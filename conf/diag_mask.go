package conf

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// webhookName is the block whose label is a URL, which may be a secret.
const webhookName = "webhook"

// masked is the text of a file with what is secret made unreadable, every byte in
// its place: diagnostics go to logs, too. What could not be parsed is gone through
// line by line.
func masked(s *source) []byte {
	text := bytes.Clone(s.file.Bytes)
	if s.body != nil {
		maskBody(text, secretKeys(schema()), s.body)
	}
	for _, at := range secretLine().FindAllSubmatchIndex(text, -1) {
		stars(text[at[2]:at[3]])
	}
	return text
}

// secretLine is a line that gives something a value whose name says that it is
// secret, wherever it stands, with or without the equals sign; the value is the group.
var secretLine = pattern(`(?mi)(?:password|auth_pass|secret|token|authorization|cookie|api[-_]key|routing[-_]key)"?[ \t]*[=: \t][ \t]*([^\r\n]+)`)

func maskBody(text []byte, secret map[string]bool, body *hclsyntax.Body) {
	eachSecret(secret, "", body, func(expr hclsyntax.Expression) { stars(slice(text, expr.Range())) })
	maskLabels(text, body)
}

// eachSecret visits the expressions of what is secret by its name, in a block of a kind
// and all within.
func eachSecret(secret map[string]bool, kind string, body *hclsyntax.Body, visit func(hclsyntax.Expression)) {
	_, sensitive := body.Attributes["sensitive"]
	for name, attr := range body.Attributes {
		if secret[name] || misspelt(name, secret) || kind == "variable" && sensitive && name == "default" {
			visit(attr.Expr)
		}
	}
	for _, b := range body.Blocks {
		eachSecret(secret, b.Type, b.Body, visit)
	}
}

func maskLabels(text []byte, body *hclsyntax.Body) {
	for _, b := range body.Blocks {
		if b.Type == webhookName {
			for _, at := range b.LabelRanges {
				label := slice(text, at)
				copy(label, maskURL(string(label)))
			}
		}
		maskLabels(text, b.Body)
	}
}

// misspelt says whether a name is nearly that of a secret key, as passwort is.
func misspelt(name string, secret map[string]bool) bool {
	for key := range secret {
		if d := distance(strings.ToLower(name), key); d <= 2 && d < len(key)/2 {
			return true
		}
	}
	return false
}

// slice is a range of a text; nothing where it has no such range.
func slice(text []byte, at hcl.Range) []byte {
	if !at.CanSliceBytes(text) {
		return nil
	}
	return at.SliceBytes(text)
}

// stars takes the place of all but ends of lines.
func stars(text []byte) {
	for i, c := range text {
		if c != '\n' && c != '\r' {
			text[i] = '*'
		}
	}
}

// maskURL makes of a URL what may be a secret unreadable: who logs in, and all that
// comes after the host. Its length stays, and so do quotes around it.
func maskURL(s string) string {
	text := []byte(s)
	host := 0
	if _, rest, ok := strings.Cut(s, "//"); ok {
		host = len(s) - len(rest)
	}
	end := len(strings.TrimSuffix(s, `"`))
	if i := strings.LastIndexByte(s[host:end], '@'); i >= 0 {
		stars(text[host : host+i])
		host += i + 1
	}
	if i := strings.IndexAny(s[host:end], "/?#"); i >= 0 {
		stars(text[host+i+1 : end])
	}
	return string(text)
}

// secretKeys are the names of keys that are secret in any block.
func secretKeys(b *block) map[string]bool {
	all := map[string]bool{}
	for _, k := range b.keys {
		if k.secret {
			all[k.name] = true
		}
	}
	for _, c := range append(slices.Clone(b.blocks), b.variants...) {
		maps.Copy(all, secretKeys(c))
	}
	return all
}
