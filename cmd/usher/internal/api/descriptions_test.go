package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
)

var update = flag.Bool("update", false, "write descriptions.json anew")

// TestDescriptions: the API's document describes its types in the words of their
// comments, as they are today, and every field that has more to say than its name.
func TestDescriptions(t *testing.T) {
	all := map[string]string{}
	for _, pattern := range []string{"*.go", "../events/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				comments(t, name, all)
			}
		}
	}
	schemas := api.Document()["components"].(map[string]any)["schemas"].(map[string]any)
	for key := range all {
		name, _, _ := strings.Cut(key, ".")
		if schemas[name] == nil {
			delete(all, key)
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("descriptions.json", text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("descriptions.json")
	if err != nil || !bytes.Equal(have, text.Bytes()) {
		t.Errorf("descriptions.json is stale: go test ./cmd/usher/internal/api -run Descriptions -update (%v)", err)
	}
	for name, s := range schemas {
		if s.(map[string]any)["description"] == nil {
			t.Errorf("%s has no description", name)
		}
	}
	if d := schemas["Instance"].(map[string]any)["properties"].(map[string]any)["active_router"].(map[string]any)["description"]; d != `"" while nobody is known to be active` {
		t.Errorf("active_router is described as %v", d)
	}
}

// comments collects those of a file's structures: by Type, and by Type.key.
func comments(t *testing.T, name string, all map[string]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			return true
		}
		for _, s := range d.Specs {
			spec := s.(*ast.TypeSpec)
			fields, ok := spec.Type.(*ast.StructType)
			if !ok || !spec.Name.IsExported() {
				continue
			}
			all[spec.Name.Name] = line(d.Doc)
			for _, field := range fields.Fields.List {
				text := line(field.Doc)
				if text == "" {
					text = line(field.Comment)
				}
				if field.Tag == nil || text == "" {
					continue
				}
				key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
				if key != "" && key != "-" {
					all[spec.Name.Name+"."+key] = text
				}
			}
		}
		return true
	})
}

func line(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
