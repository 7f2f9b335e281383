package conf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Lines as keepalived has them: its blocks, and words with a value and no equals sign.
var (
	keepalivedLine = pattern(`(?m)^[ \t]*(?:(?:global_defs|virtual_ipaddress|virtual_ipaddress_excluded|unicast_peer|authentication|virtual_routes|track_script|TCP_CHECK|HTTP_GET|SSL_GET|MISC_CHECK)[ \t]*\{|` +
		`(?:state|interface|virtual_router_id|priority|advert_int|auth_type|auth_pass|lb_algo|lb_kind|lvs_sched|lvs_method|delay_loop|protocol|persistence_timeout|router_id|weight|connect_timeout|script|interval)[ \t]+[^ \t={]|` +
		`virtual_server[ \t]+[0-9a-f.:]+[ \t]+[0-9]+[ \t]*\{|real_server[ \t]+[0-9a-f.:]+[ \t]+[0-9]+[ \t]*\{)`)
	hclLine      = pattern(`(?m)^[ \t]*[a-z_0-9]+[ \t]*=[ \t]*\S`)
	wordAndValue = pattern(`^[ \t]*([a-z_0-9]+)[ \t]+("[^"]*"|[^ \t"={}]+)[ \t]*(?:[#!].*)?$`)
	dollarName   = pattern(`^[ \t]*\$([A-Za-z_][A-Za-z0-9_]*)`)
)

// foreign adds to the errors of syntax what someone may have meant who is used to
// keepalived. A whole file in its language gets a single error.
func foreign(s *source, text []byte, diags hcl.Diagnostics) hcl.Diagnostics {
	if !diags.HasErrors() {
		return diags
	}
	if lines := keepalivedLine().FindAllIndex(text, 3); len(lines) == 3 && !hclLine().Match(text) {
		at := lines[0][0]
		start := hcl.Pos{Line: 1 + strings.Count(string(text[:at]), "\n"), Column: 1, Byte: at}
		indent := len(text[at:]) - len(strings.TrimLeft(string(text[at:]), " \t"))
		start.Byte, start.Column = start.Byte+indent, start.Column+indent
		end := start
		for end.Byte < len(text) && text[end.Byte] != '\n' && text[end.Byte] != '\r' {
			end.Byte, end.Column = end.Byte+1, end.Column+1
		}
		return hcl.Diagnostics{complain("A configuration of keepalived", fmt.Sprintf("This is keepalived's language, usher's is HCL. A translation of the file: usher import %s > usher.hcl", s.name),
			hcl.Range{Filename: s.name, Start: start, End: end})}
	}
	out := slices.Clone(diags)
	for i, d := range out {
		if d.Subject == nil {
			continue
		}
		source, offset := line(text, d.Subject.Start.Byte)
		hint := meant(source)
		if hint == "" {
			continue
		}
		better := *d
		better.Detail = hint
		if wordAndValue().MatchString(source) { // HCL points at the end of the line
			at := *d.Subject
			word := strings.TrimLeft(source, " \t")
			at.Start.Byte += len(source) - len(word) - offset
			at.Start.Column = 1 + len(source) - len(word)
			length := strings.IndexAny(word, " \t")
			at.End = hcl.Pos{Line: at.Start.Line, Column: at.Start.Column + length, Byte: at.Start.Byte + length}
			better.Subject = &at
		}
		out[i] = &better
	}
	return out
}

// meant is what a line with a syntax error should be, "" where nothing is known.
func meant(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "!") {
		return "A comment begins with #."
	}
	if m := dollarName().FindStringSubmatch(line); m != nil {
		name := strings.ToLower(m[1])
		return fmt.Sprintf("A variable is declared by variable %q { default = ... } or in locals { %s = ... }, and used as var.%s or local.%s.", name, name, name, name)
	}
	m := wordAndValue().FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	word, value := m[1], m[2]
	if word == "include" {
		return insteadOnTop()["include"]
	}
	k := schema().anywhere(word)
	if k == nil {
		return ""
	}
	if k.secret {
		value = `"..."`
	} else if !strings.HasPrefix(value, `"`) && k.kind != kindNumber && k.kind != kindFlag && k.kind != kindFraction {
		value = fmt.Sprintf("%q", value)
	}
	if k.kind.list() {
		value = "[" + value + "]"
	}
	return fmt.Sprintf("An argument needs an equals sign: %s = %s", word, value)
}

// anywhere is the first key of a name in the whole schema below b, or nil.
func (b *block) anywhere(name string) *key {
	if k := b.named(name); k != nil {
		return k
	}
	for _, c := range append(slices.Clone(b.blocks), b.variants...) {
		if k := c.anywhere(name); k != nil {
			return k
		}
	}
	return nil
}
