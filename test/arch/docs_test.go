package arch

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every package that others can import begins, in go doc, with what it is for and a sketch
// of its use.
func TestPackagesAreIntroduced(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if from := top(p.ImportPath); from == "cmd" || from == "test" || strings.Contains(name, "/internal/") {
			continue
		}
		text := introduction(t, name)
		first, rest, _ := strings.Cut(text, "\n\n")
		if !strings.HasPrefix(first, "Package ") || len(first) < 60 {
			t.Errorf("%s: go doc begins with %q: say in a sentence or two what the package is for", name, first)
		}
		if !strings.Contains("\n"+rest, "\n\t") {
			t.Errorf("%s: go doc has no sketch of the package's use, a few indented lines of code", name)
		}
	}
}

// introduction is the comment of a package.
func introduction(t *testing.T, name string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name, f.Name()), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Doc == nil {
			continue
		}
		if text != "" {
			t.Errorf("%s has more than one comment of the package", name)
		}
		text = parsed.Doc.Text()
	}
	return text
}
