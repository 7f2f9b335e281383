package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every direct dependency has its place in the table of ARCHITECTURE.md, and the table
// names no other: whoever adds a library says there what it is for, and what there is
// instead of one.
func TestLibrariesAreTold(t *testing.T) {
	list := exec.Command("go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	direct := strings.Fields(string(out))
	document, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## Library or own\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for _, m := range regexp.MustCompile("`([a-z.]+\\.[a-z]+/[^`]+)`").FindAllStringSubmatch(section, -1) {
		told = append(told, m[1])
	}
	if len(told) < 8 {
		t.Fatalf("the table of ARCHITECTURE.md has %d libraries only", len(told))
	}
	for _, path := range direct {
		if !slices.Contains(told, path) {
			t.Errorf("%s is a direct dependency without a place in the table of ARCHITECTURE.md", path)
		}
	}
	for _, path := range told {
		if !slices.Contains(direct, path) {
			t.Errorf("ARCHITECTURE.md tells of %s, which is no direct dependency", path)
		}
	}
}
