package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// nodes lists everything in a body with the place that it has.
func nodes(b *hclsyntax.Body) (list []string) {
	hclsyntax.VisitAll(b, func(n hclsyntax.Node) hcl.Diagnostics {
		if _, some := n.(hclsyntax.Attributes); some {
			return nil // that has the place of any of them
		}
		list = append(list, fmt.Sprintf("%T %+v", n, n.Range()))
		if block, ok := n.(*hclsyntax.Block); ok {
			list = append(list, fmt.Sprintf("%s %q %+v %+v %+v", block.Type, block.Labels, block.TypeRange, block.LabelRanges, block.CloseBraceRange))
		}
		return nil
	})
	slices.Sort(list) // attributes come in any order
	return list
}

// samePlaces fails where a text that is parsed in pieces is not what it is as a whole,
// and tells whether it could be.
func samePlaces(t *testing.T, text []byte) bool {
	t.Helper()
	got := inPieces("a.hcl", text)
	if got == nil {
		return false
	}
	want := whole("a.hcl", text, hcl.InitialPos)
	if want == nil {
		t.Fatalf("%q is whole in pieces alone", text)
	}
	if g, w := nodes(got), nodes(want); !slices.Equal(g, w) {
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("%q: in pieces\n%s\nas a whole\n%s", text, g[i], w[i])
			}
		}
		t.Fatalf("%q: %d nodes in pieces, %d as a whole", text, len(g), len(w))
	}
	if got.EndRange != want.EndRange {
		t.Fatalf("%q: ends at %v in pieces, at %v as a whole", text, got.EndRange, want.EndRange)
	}
	return true
}

func TestPiecesHaveThePlacesOfTheWhole(t *testing.T) {
	examples, err := filepath.Glob("examples/*.hcl")
	if err != nil || len(examples) == 0 {
		t.Fatal(examples, err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !samePlaces(t, text) {
			t.Errorf("%s cannot be parsed in pieces", name)
		}
	}
	for text, inPieces := range map[string]bool{
		"":                                     true,
		"a = 1\nb = 2\n":                       true,
		"a = 1\r\nb {\r\n  c = \"é\"\r\n}\r\n": true,
		"# é\na {\n  b = 1\n}\nc {\n}":         true,
		"/* a\nb */\nc = 1\n":                  false, // a comment that is cut
		"a = <<E\nb\nE\n":                      false, // a heredoc that is cut
		"a = 1\na = 2\n":                       false, // said by the whole
		"a {\nb = 1\n}\n":                      false, // not indented
		"a = \n":                               false,
	} {
		if got := samePlaces(t, []byte(text)); got != inPieces {
			t.Errorf("%q can be parsed in pieces: %v, want %v", text, got, inPieces)
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("a = 1\nb {\n  c = \"${d}\"\n}\n")
	f.Add("a = <<-E\n  x\n  E\nb = [\n  1,\n]\n")
	f.Add("a /* x\n */ { b = 1 }\nc \"d\" {}")
	f.Fuzz(func(t *testing.T, text string) {
		if tooDeep([]byte(text), "") == nil { // as parse asks, too, where it is not in pieces
			samePlaces(t, []byte(text))
		}
	})
}
