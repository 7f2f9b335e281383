package conf

import (
	"fmt"
	"strings"
	"time"
)

//go:generate go run ./internal/reference -o REFERENCE.md

// Reference is the documentation of every block and key in Markdown, written from
// the schema that files are read by.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration reference

This file is generated from the schema that usher reads files by (` + "`go generate ./conf`" + `): do not edit it.

usher reads HCL 2: files named by ` + "`-c FILE`" + `, or every ` + "`*.hcl`" + ` of a folder in name order; together they are one
configuration. Blocks may come from ` + "`dynamic`" + ` blocks, values from ` + "`variable`" + ` blocks (` + "`--var name=value`" + ` or
` + "`USHER_VAR_name`" + ` in the environment) and ` + "`locals`" + `. Durations are strings with a unit, such as ` + "`\"500ms\"`, `\"1.5s\"`, `\"2m\"`" + `.
Paths of files are relative to the file that names them.

`)
	writeFunctions(&b)
	for _, c := range schema().blocks {
		writeBlock(&b, c, "", 2, false)
	}
	return b.String()
}

func writeFunctions(b *strings.Builder) {
	b.WriteString("## Functions\n\n`env(name, default)`, `file(path)`, `hostname()`, `cidrhost(prefix, n)`, `try`, `can`, `tostring`, `tonumber`, `tobool`, `tolist`, `toset`, `tomap`,\nand of HCL's standard library:\n")
	names := sortedKeys(standard())
	for i, name := range names {
		sep := ", "
		switch {
		case i == len(names)-1:
			sep = ".\n\n"
		case i%12 == 11:
			sep = ",\n"
		}
		b.WriteString("`" + name + "`" + sep)
	}
}

// writeBlock writes one block, then those within it. A variant has its type for a
// label, other blocks what the label is.
func writeBlock(b *strings.Builder, c *block, path string, depth int, variant bool) {
	title := c.name
	for _, l := range c.labels {
		if !variant {
			l = strings.ToUpper(l)
		}
		title += fmt.Sprintf(" %q", l)
	}
	where := ""
	if path != "" {
		where = " (in `" + path + "`)"
	}
	fmt.Fprintf(b, "%s %s%s\n\n%s\n\n", strings.Repeat("#", depth), title, where, c.doc)
	if c.variants != nil {
		writeKeys(b, commonKeys(), "Keys of every type:\n\n")
		for _, v := range c.variants {
			own := *v
			own.keys = v.keys[len(commonKeys()):]
			writeBlock(b, &own, path, min(depth+1, 5), true)
		}
		return
	}
	writeKeys(b, c.keys, "")
	for _, inner := range c.blocks {
		if inner.name == "health_check" && c.name != "virtual_server" {
			fmt.Fprintf(b, "`health_check` and `tunnel` blocks are those of `virtual_server`.\n\n")
		} else if inner.name != "tunnel" || c.name == "virtual_server" {
			writeBlock(b, inner, strings.TrimPrefix(path+" "+c.name, " "), min(depth+1, 5), false)
		}
	}
}

func writeKeys(b *strings.Builder, keys []key, lead string) {
	if len(keys) == 0 {
		return
	}
	b.WriteString(lead + "| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.name, k.kind, k.standard(), strings.ReplaceAll(k.meaning(), "|", "\\|"))
	}
	b.WriteString("\n")
}

// standard is the default as a file would have it.
func (k key) standard() string {
	switch v := k.value.(type) {
	case nil:
		if k.required {
			return "required"
		}
		return ""
	case string:
		return fmt.Sprintf("`%q`", v)
	case time.Duration:
		return fmt.Sprintf("`%q`", shortDuration(v))
	default:
		return fmt.Sprintf("`%v`", v)
	}
}

// meaning is the documentation with what the value must be.
func (k key) meaning() string {
	text := k.doc
	if k.oneOf != nil {
		text += " One of `" + strings.Join(k.oneOf, "`, `") + "`."
	}
	if k.bounds != (bounds{}) && !(k.kind == kindDuration && k.bounds.min == 0 && k.bounds.max >= int64(forever)) {
		text += " Range: " + k.bounds.words(k.kind) + "."
	}
	return text
}
