package arch

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "usher"

// root is the checkout, seen from this package's folder.
const root = "../.."

// arrows says which of the module's own top-level folders each one may import.
// Anything that is not listed is forbidden.
var arrows = map[string][]string{
	"cmd":         {"cmd", "conf", "vrrp", "healthcheck", "director"},
	"conf":        {"conf", "vrrp", "healthcheck", "director"},
	"vrrp":        {"vrrp"},
	"healthcheck": {"healthcheck"},
	"director":    {"director", "healthcheck"},
	"test":        {"test", "cmd", "conf", "vrrp", "healthcheck", "director"},
}

// common lists packages that every folder may import: what the domains would else each
// have for themselves. They import nothing of the module, and are in vrrp, which imports
// none of the other folders, so that no arrow runs back up.
var common = []string{"usher/vrrp/timespan", "usher/vrrp/sysctl", "usher/vrrp/statefile", "usher/vrrp/dump"}

// foreign lists modules that a domain must know nothing of.
var foreign = map[string][]string{
	"vrrp":        {"github.com/hashicorp/hcl", "github.com/spf13/cobra", "github.com/prometheus/client_golang", "flag"},
	"healthcheck": {"github.com/hashicorp/hcl", "github.com/spf13/cobra", "github.com/prometheus/client_golang", "flag"},
	"director":    {"github.com/hashicorp/hcl", "github.com/spf13/cobra", "github.com/prometheus/client_golang", "flag"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 8 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// top gives the top-level folder of one of the module's packages, "" for others.
func top(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	folder, _, _ := strings.Cut(rest, "/")
	return folder
}

func TestImportArrows(t *testing.T) {
	for _, p := range packages(t) {
		from := top(p.ImportPath)
		allowed, known := arrows[from]
		if !known {
			t.Errorf("%s: top-level folder %q is not one of the house", p.ImportPath, from)
			continue
		}
		for _, imp := range p.Imports {
			if to := top(imp); to != "" && slices.Contains(common, p.ImportPath) {
				t.Errorf("%s imports %s: what everything may import knows nothing of the rest", p.ImportPath, imp)
			} else if to != "" && !slices.Contains(allowed, to) && !slices.Contains(common, imp) {
				t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imp, from, allowed)
			}
			for _, bad := range foreign[from] {
				if imp == bad || strings.HasPrefix(imp, bad+"/") {
					t.Errorf("%s imports %s: the domain knows nothing of it", p.ImportPath, imp)
				}
			}
			if from == "director" && top(imp) == "healthcheck" && imp != module+"/healthcheck" {
				t.Errorf("%s imports %s: the director knows the result types of healthcheck only", p.ImportPath, imp)
			}
		}
	}
}

// TestEarlyImportsLittle: what usher runs before net/http is initialised must not need it.
func TestEarlyImportsLittle(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/usher/internal/early")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := strings.Fields(string(out))
	if !slices.Contains(all, "usher/cmd/usher/internal/vrrpproc") {
		t.Errorf("the VRRP process and the guard are not in it: %v", all)
	}
	if slices.Contains(all, "net/http") {
		t.Error("cmd/usher/internal/early imports net/http by way of something: its turn is after all of it, see the package's comment")
	}
}

// pure lists the files that carry the correctness, and all that they may import.
// "time" is there for Duration and Time values, never for the clock: see
// TestPureFilesReadNoClock.
var pure = []string{
	"vrrp/machine*.go",
	"healthcheck/state.go",
	"healthcheck/join.go",
	"director/*.go",
	"director/discover/*.go",
	"director/announce/*.go",
	"cmd/usher/internal/peers/compare/*.go",
}

var pureImports = []string{
	"cmp", "errors", "fmt", "iter", "maps", "math", "net/netip", "slices", "sort", "strconv", "strings", "time",
	"crypto/sha256", "encoding/hex", "net/url", "path", "usher/director", // of director/discover
	"usher/director/internal/parallel", "usher/director/ipvs", "usher/healthcheck", "usher/vrrp/timespan",
	"usher/cmd/usher/internal/peers/share", // of what compares directors
}

func pureFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range pure {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		found = slices.DeleteFunc(found, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
		if len(found) == 0 {
			t.Errorf("no file matches %s: the rule holds nothing", pattern)
		}
		files = append(files, found...)
	}
	return files
}

func TestPureFilesImportLittle(t *testing.T) {
	for _, file := range pureFiles(t) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			if imp, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(pureImports, imp) {
				t.Errorf("%s imports %s: a pure file imports only %v", file, imp, pureImports)
			}
		}
	}
}
