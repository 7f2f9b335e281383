package vrrp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"usher/vrrp"
)

// TestDiscards: the list has every reason that there is.
func TestDiscards(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range vrrp.Discards {
		listed[string(d)] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "discard.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if word, ok := v.Values[0].(*ast.BasicLit); ok {
				if text, err := strconv.Unquote(word.Value); err != nil || text != "" && !listed[text] {
					t.Errorf("%s is not in the list", v.Names[0])
				}
				there++
			}
		}
		return true
	})
	if there != len(vrrp.Discards)+1 {
		t.Errorf("%d reasons, %d are listed", there-1, len(vrrp.Discards))
	}
}
