package conftest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

var oneLine = regexp.MustCompile(`(?m)\{ *(.*?) *\}$`)

// edit is a file of which keys can be set.
type edit struct {
	t    *testing.T
	file *hclwrite.File
}

func newEdit(t *testing.T, text string) *edit {
	t.Helper()
	text = oneLine.ReplaceAllString(text, "{\n$1\n}\n") // there is to be room for more keys
	file, diags := hclwrite.ParseConfig([]byte(text), "base.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return &edit{t, file}
}

// body is the first block that a path leads to, in the top block of a label where one is given.
func (e *edit) body(path []string, label string) *hclwrite.Body {
	e.t.Helper()
	found := find(e.file.Body(), path, label)
	if found == nil {
		e.t.Errorf("the configuration to start with has no block %q in %q", path, label)
	}
	return found
}

func find(in *hclwrite.Body, path []string, label string) *hclwrite.Body {
	if len(path) == 0 {
		return in
	}
	words := strings.Fields(path[0])
	if label != "" {
		words = append(words, label)
	}
	for _, b := range in.Blocks() {
		if b.Type() != words[0] || len(words) > 1 && !slices.Contains(b.Labels(), words[1]) {
			continue
		}
		if found := find(b.Body(), path[1:], ""); found != nil {
			return found
		}
	}
	return nil
}

// set gives a key a value, an expression of HCL; "" takes it out.
func set(body *hclwrite.Body, key, value string) {
	if value == "" {
		body.RemoveAttribute(key)
		return
	}
	body.SetAttributeRaw(key, hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(value), SpacesBefore: 1}})
}

// text is the file as it is now.
func (e *edit) text() string { return string(e.file.Bytes()) }
