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
	b.WriteString(secretsReference)
	writeFunctions(&b)
	for _, c := range schema().blocks {
		writeBlock(&b, c, "", 2, false)
	}
	return b.String()
}

const secretsReference = `## Secrets

What is secret is looked for by its value in all that usher says: messages of ` + "`validate`, `plan`, `check`" + ` and reloads, log, events, status,
API, metrics, page, alerts. There stands ` + "`(hidden)`" + ` in its place, or in a line of a file as many stars, also where a server sends it
back, quoted, escaped as in URLs, JSON and HTML, in base64 or hexadecimal. Secret are

- passwords, ` + "`secret`" + `, and what the files and environment variables hold that keys ending in ` + "`_file` and `_env`" + ` name for them;
- values of a ` + "`variable`" + ` with ` + "`sensitive = true`" + `, and what expressions make of them;
- what a file of one line (1024 bytes at most) holds that the function ` + "`file`" + ` reads, but for the ` + "`router_id`" + `;
- values of headers and environment variables whose names say so (` + "`Authorization`, `Cookie`, `X-Auth-Token`, `DB_PASSWORD`" + `), and what paths,
  requests and arguments of commands give to such a name, as in ` + "`/health?token=...`" + `;
- of the URL of a webhook the password, the path and the query.

A value of less than 5 bytes, or of less than 8 digits, stays readable, and so do addresses, words of this reference, and names of instances,
groups, sessions and virtual servers: messages would make no sense without. One of 5 to 7 bytes is hidden where it stands as a word by itself,
a longer one anywhere. After a reload the values that it took away stay hidden (the latest 2,000), as events that tell of them are kept.

Shown are secrets where they are asked for: ` + "`usher fmt` and `usher import`" + ` print files, and whoever may steer gets the variables, which ` + "`usher plan`" + ` needs.
The state folder, which is root's alone, has the last good configuration with its secrets.

`

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
		writeKeys(b, c.common, "Keys of every type:\n\n")
		for _, v := range c.variants {
			own := *v
			own.keys = v.keys[len(c.common):]
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
