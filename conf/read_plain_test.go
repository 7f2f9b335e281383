package conf

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

// asRead asserts that the plain way, where it gets through, gives the very nodes that
// the reader makes, and that there is nothing to say. It tells whether it got through.
func asRead(t interface {
	Helper()
	Fatalf(string, ...any)
}, p *plainReader, text string) bool {
	t.Helper()
	got := p.read(text, "dir")
	if got == nil {
		return false
	}
	body := whole("dir/a.hcl", []byte(text), hcl.InitialPos)
	if body == nil {
		t.Fatalf("taken, though it is no HCL:\n%s", text)
	}
	s := &scope{vars: map[string]cty.Value{}, locals: map[string]cty.Value{}, meter: newMeter(context.Background(), 0)}
	s.forget()
	r := &reader{scope: s, top: p.top}
	root := r.read([]*source{{name: "dir/a.hcl", body: body}})
	if len(r.diags) > 0 {
		t.Fatalf("taken, though there is something to say: %v\n%s", r.diags, text)
	}
	if diff := differ(root, &node{spec: p.top, blocks: map[string][]*node{got.spec.name: {got}}}); diff != "" {
		t.Fatalf("%s\n%s", diff, text)
	}
	return true
}

// differ names the first difference of two nodes, places apart.
func differ(read, plain *node) string {
	if read.spec != plain.spec || len(read.labels) != len(plain.labels) || len(read.values) != len(plain.values) {
		return fmt.Sprintf("read %v, plain %v", read, plain)
	}
	for i := range read.labels {
		if read.labels[i].text != plain.labels[i].text {
			return fmt.Sprintf("label: read %q, plain %q", read.labels[i].text, plain.labels[i].text)
		}
	}
	for name, v := range read.values {
		if p := plain.values[name]; p == nil || v.bad || p.bad || !reflect.DeepEqual(v.v, p.v) {
			return fmt.Sprintf("%s: read %v, plain %v", name, v, p)
		}
	}
	for _, spec := range read.spec.blocks {
		r, p := read.blocks[spec.name], plain.blocks[spec.name]
		if len(r) != len(p) {
			return fmt.Sprintf("%s: read %d, plain %d", spec.name, len(r), len(p))
		}
		for i := range r {
			if r[i].dir != p[i].dir {
				return fmt.Sprintf("folder: read %q, plain %q", r[i].dir, p[i].dir)
			}
			if diff := differ(r[i], p[i]); diff != "" {
				return spec.name + ": " + diff
			}
		}
	}
	return ""
}

// TestPlainIsRead: what is written as most configurations are is read the plain way,
// what is not is left alone.
func TestPlainIsRead(t *testing.T) {
	p := newPlainReader(schema()) // one for all, as when a configuration is loaded
	for _, c := range []struct {
		name, text string
		plain      bool
	}{
		{"as usual", web, true},
		{"narrow", "virtual_server \"a\"{\naddress=\"192.0.2.1:80\"\nreal_server \"10.0.0.1:80\"{weight=1}\n}", true},
		{"comments", "virtual_server \"a\" { # one\n  // two\n\n\tquorum = 2 # three\n  real_server \"10.0.0.1:80\" {} // four\n} # five\n# six\n", true},
		{"lists", "virtual_server \"a\" {\n  scheduler_flags = [\"sh-port\", \"sh-fallback\",]\n  snat_addresses = [\n    \"192.0.2.1\",\n    \"192.0.2.8/30\"\n  ]\n}\n", true},
		{"an empty list", "virtual_server \"a\" {\n  scheduler_flags = [ ]\n}\n", true},
		{"fraction", "virtual_server \"a\" {\n  min_healthy = 0.25\n}\n", true},
		{"one in a line", "virtual_server \"a\" { quorum = 2 }\n", true},
		{"empty", "virtual_server \"a\" {}\n", true},
		{"a check", "virtual_server \"a\" {\n  health_check \"http\" {\n    path = \"/\"\n    interval = \"1.5s\"\n  }\n}\n", true},

		{"a reference", "virtual_server \"a\" {\n  quorum = var.q\n}\n", false},
		{"a sum", "virtual_server \"a\" {\n  quorum = 1 + 1\n}\n", false},
		{"a number as a string", "virtual_server \"a\" {\n  quorum = \"2\"\n}\n", false},
		{"an exponent", "virtual_server \"a\" {\n  quorum = 1e1\n}\n", false},
		{"a number with a leading zero", "virtual_server \"a\" {\n  quorum = 01\n}\n", false},
		{"a point without digits", "virtual_server \"a\" {\n  min_healthy = 1.\n}\n", false},
		{"a template", "virtual_server \"a\" {\n  address = \"${local.a}:80\"\n}\n", false},
		{"an escape", "virtual_server \"a\" {\n  address = \"\\u0031\"\n}\n", false},
		{"a letter that may be written in two ways", "virtual_server \"a\" {\n  health_check \"http\" {\n    path = \"/e\u0301\"\n  }\n}\n", false},
		{"out of bounds", "virtual_server \"a\" {\n  min_healthy = 2\n}\n", false},
		{"a word that is none", "virtual_server \"a\" {\n  scheduler = \"best\"\n}\n", false},
		{"not a duration", "virtual_server \"a\" {\n  drain_timeout = \"10\"\n}\n", false},
		{"a key that is not there", "virtual_server \"a\" {\n  quorums = 2\n}\n", false},
		{"a key twice", "virtual_server \"a\" {\n  quorum = 2\n  quorum = 2\n}\n", false},
		{"a block twice", "virtual_server \"a\" {\n  real_server \"10.0.0.1:80\" {}\n  real_server \"10.0.0.1:80\" {}\n}\n", false},
		{"a check that is not there", "virtual_server \"a\" {\n  health_check \"carrier\" {}\n}\n", false},
		{"two items in a line", "virtual_server \"a\" {\n  quorum = 2 hysteresis = 1\n}\n", false},
		{"two commas", "virtual_server \"a\" {\n  scheduler_flags = [\"sh-port\",,\"sh-fallback\"]\n}\n", false},
		{"no comma", "virtual_server \"a\" {\n  scheduler_flags = [\"sh-port\" \"sh-fallback\"]\n}\n", false},
		{"an end too few", "virtual_server \"a\" {\n", false},
		{"an end too many", "virtual_server \"a\" {}\n}\n", false},
		{"end in the line of an argument", "virtual_server \"a\" {\n  quorum = 2 }\n", false},
		{"a label too few", "virtual_server {}\n", false},
		{"a label too many", "virtual_server \"a\" \"b\" {}\n", false},
		{"a label without quotes", "virtual_server a {}\n", false},
		{"a long comment", "virtual_server \"a\" {\n  /* } */\n}\n", false},
		{"line ends of DOS", "virtual_server \"a\" {\r\n}\r\n", false},
		{"dynamic", "virtual_server \"a\" {\n  dynamic \"real_server\" {\n  }\n}\n", false},
		{"two blocks", "virtual_server \"a\" {}\n  virtual_server \"b\" {}\n", false},
		{"nothing", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := asRead(t, p, c.text); got != c.plain {
				t.Errorf("plain: %t", got)
			}
		})
	}
}

// TestPlainProperty writes blocks by the schema, good values and bad ones, in many
// ways, and changes some of them anywhere.
func TestPlainProperty(t *testing.T) {
	p := newPlainReader(schema())
	through := 0
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		drawBlock(t, &b, p.top.blocks[len(p.top.blocks)-1], 0)
		text := b.String()
		if rapid.IntRange(0, 3).Draw(t, "change") == 0 {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			to := rapid.IntRange(at, min(at+3, len(text))).Draw(t, "to")
			text = text[:at] + rapid.SampledFrom([]string{"", " ", "\n", "{", "}", "\"", "=", ",", "#", "/", "0", "a", "é", "$"}).Draw(t, "new") + text[to:]
		}
		if asRead(t, p, text) {
			through++
		}
	})
	if through < 5 {
		t.Errorf("only %d got through", through)
	}
}

// drawBlock writes a block with some of its keys and blocks.
func drawBlock(t *rapid.T, b *strings.Builder, spec *block, depth int) {
	in := strings.Repeat("  ", depth)
	labels := make([]string, len(spec.labels))
	for i := range labels {
		labels[i] = fmt.Sprintf("10.0.0.%d:80", rapid.IntRange(1, 99).Draw(t, "label"))
	}
	if spec.variants != nil {
		spec = rapid.SampledFrom(spec.variants).Draw(t, "variant")
		labels[0] = spec.labels[0]
	}
	fmt.Fprintf(b, "%s%s", in, spec.name)
	for _, l := range labels {
		fmt.Fprintf(b, " %q", l)
	}
	b.WriteString(" {" + rapid.SampledFrom([]string{"\n", "\n", " # why\n", "\n\n"}).Draw(t, "head"))
	for i := range spec.keys {
		k := &spec.keys[i]
		if !k.required && (k.kind == kindPairs || rapid.IntRange(0, 9).Draw(t, k.name) > 0) {
			continue
		}
		fmt.Fprintf(b, "%s  %s = %s%s\n", in, k.name, drawValue(t, k), rapid.SampledFrom([]string{"", "", " ", " // why"}).Draw(t, "tail"))
	}
	for _, c := range spec.blocks {
		for range rapid.IntRange(0, 5).Draw(t, c.name) / 3 {
			drawBlock(t, b, c, depth+1)
		}
	}
	fmt.Fprintf(b, "%s}\n", in)
}

// drawValue writes a value for a key, most often one that it can have.
func drawValue(t *rapid.T, k *key) string {
	if rapid.IntRange(0, 99).Draw(t, "odd") == 0 {
		return rapid.SampledFrom([]string{"1", "-1", "1.5", "true", "null", `""`, `"1"`, `"x"`, "[]", "[1]", "var.x", "1 + 1", "{}", `"a${1}"`, "99999999999999999999", `"1h"`, "(1)"}).Draw(t, "value")
	}
	quote := func(words ...string) string { return fmt.Sprintf("%q", rapid.SampledFrom(words).Draw(t, "word")) }
	several := func(words ...string) string {
		var all []string
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			all = append(all, quote(words...))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	words := append([]string{"a", "b c", "/path"}, k.oneOf...)
	if k.oneOf != nil {
		words = words[3:]
	}
	switch k.kind {
	case kindText:
		return quote(words...)
	case kindTexts:
		return several(words...)
	case kindNumber:
		return fmt.Sprint(rapid.Int64Range(k.bounds.min, max(k.bounds.max, 10)).Draw(t, "number"))
	case kindFraction:
		return rapid.SampledFrom([]string{"0", "1", "0.5", "0.125", "1.0", "0.30000000000001"}).Draw(t, "fraction")
	case kindFlag:
		return fmt.Sprint(rapid.Bool().Draw(t, "flag"))
	case kindDuration:
		fit := slices.DeleteFunc([]string{"1s", "500ms", "1.5s", "2m", "0s", "1h"}, func(s string) bool { return k.plain(s) == nil })
		return quote(append(fit, "10s")...)
	case kindIP:
		return quote("192.0.2.1", "2001:db8::1")
	case kindPrefix:
		return quote("192.0.2.1", "2001:db8::/64")
	case kindIPs:
		return several("192.0.2.1", "2001:db8::1")
	case kindPrefixes:
		return several("192.0.2.1", "2001:db8::/64")
	}
	return "{ a = \"b\" }"
}

// FuzzPlain: the plain way gives what the reader gives, or nothing.
func FuzzPlain(f *testing.F) {
	f.Add(web)
	f.Add("virtual_server \"a\" { # one\n  quorum = 2 // two\n  min_healthy = 0.5\n  snat_addresses = [\n \"192.0.2.1\",\n ]\n  health_check \"tcp\" { port = 80 }\n}\n")
	p := newPlainReader(schema())
	f.Fuzz(func(t *testing.T, text string) { asRead(t, p, text) })
}
