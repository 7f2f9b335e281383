package conf

import (
	"os"
	"strings"
	"testing"
)

// TestReferenceIsFresh: run `go generate ./conf` after a change of the schema.
func TestReferenceIsFresh(t *testing.T) {
	text, err := os.ReadFile("REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Reference() {
		t.Error("REFERENCE.md is stale: run `go generate ./conf`")
	}
}

// TestSchemaIsDocumented: every key and block says what it is, and its default is
// within its own bounds.
func TestSchemaIsDocumented(t *testing.T) {
	var walk func(path string, b *block)
	walk = func(path string, b *block) {
		if path != "" && !strings.HasSuffix(strings.TrimRight(b.doc, "`"), ".") {
			t.Errorf("%s: %q is no sentence", path, b.doc)
		}
		seen := map[string]bool{}
		for _, k := range b.keys {
			at := path + "." + k.name
			if seen[k.name] {
				t.Errorf("%s stands twice", at)
			}
			seen[k.name] = true
			if !strings.HasSuffix(k.doc, ".") {
				t.Errorf("%s: %q is no sentence", at, k.doc)
			}
			if v, ok := normal(k.value).(int64); ok && k.bounds != (bounds{}) && (v < k.bounds.min || v > k.bounds.max) {
				t.Errorf("%s: the default %d is out of bounds", at, v)
			}
			if k.required && k.value != nil {
				t.Errorf("%s is required and has a default", at)
			}
		}
		for _, c := range append(append([]*block{}, b.blocks...), b.variants...) {
			walk(path+" "+c.name, c)
		}
	}
	walk("", schema())
}
