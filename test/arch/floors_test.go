package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the plan that every domain is built on: roots are types, validation and
// decisions; engines own goroutines and state and drive the roots; leaves touch the
// system. What an engine needs of a leaf it declares as an interface, and cmd hands it in.
type floors struct {
	roots   []string
	engines []string
	leaves  []string
}

var domains = map[string]floors{
	"director": {
		roots:   []string{"director", "director/ipvs", "director/internal/parallel", "director/discover", "director/discover/sd", "director/announce"},
		engines: []string{"director/engine", "director/engine/enginetest", "director/discover/engine", "director/announce/engine"},
		leaves: []string{"director/ipvs/genl", "director/ipvstest", "director/snat", "director/realserver",
			"director/discover/dns", "director/discover/file", "director/discover/http",
			"director/announce/host", "director/announce/filter", "director/announce/bgp"},
	},
	"healthcheck": {
		roots:   []string{"healthcheck", "healthcheck/redact", "healthcheck/internal/deadline", "healthcheck/internal/timers"},
		engines: []string{"healthcheck/engine"},
		leaves:  []string{"healthcheck/probe", "healthcheck/probe/loop", "healthcheck/bfd", "healthcheck/files"},
	},
	"vrrp": {
		roots:   []string{"vrrp", "vrrp/packet"},
		engines: []string{"vrrp/engine", "vrrp/socket"},
		leaves:  []string{"vrrp/vip", "vrrp/vip/rtnl", "vrrp/vip/viptest", "vrrp/track"},
	},
}

// pureEngines drive nothing by themselves either: the time comes in with each call.
var pureEngines = []string{"vrrp/engine"}

func TestFloors(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		domain, ok := domains[top(p.ImportPath)]
		if !ok || slices.Contains(common, p.ImportPath) {
			continue
		}
		found[name] = true
		for _, imp := range p.Imports {
			imp, own := strings.CutPrefix(imp, module+"/")
			engine, leaf := slices.Contains(domain.engines, imp), slices.Contains(domain.leaves, imp)
			switch {
			case !own:
			case slices.Contains(domain.roots, name) && (engine || leaf):
				t.Errorf("%s imports %s: a root imports no engine and no leaf", name, imp)
			case slices.Contains(domain.engines, name) && leaf:
				t.Errorf("%s imports %s: an engine is handed its leaves by cmd", name, imp)
			case slices.Contains(domain.leaves, name) && engine:
				t.Errorf("%s imports %s: a leaf imports no engine", name, imp)
			}
		}
		if !slices.Contains(slices.Concat(domain.roots, domain.engines, domain.leaves), name) {
			t.Errorf("%s is on no floor of its domain: say in floors_test.go whether it decides, drives or touches the system", name)
		}
	}
	for _, domain := range domains {
		for _, name := range slices.Concat(domain.roots, domain.engines, domain.leaves) {
			if !found[name] {
				t.Errorf("%s is in the plan and not in the tree: the rule holds nothing of it", name)
			}
		}
	}
}

// system lists what no pure package imports.
var system = []string{"os", "syscall", "golang.org/x/sys", "net/http/httptest", "plugin", "runtime"}

// harmless is what a pure package may use of a package that else touches the system.
var harmless = map[string][]string{
	"net":      {"HardwareAddr"},
	"net/http": {"CanonicalHeaderKey", "MethodConnect", "ParseCookie"},
}

// Roots read no clock, start no goroutine and reach no system: whole, not file by file.
func TestRootsArePure(t *testing.T) {
	names := slices.Clone(pureEngines)
	for _, domain := range domains {
		names = append(names, domain.roots...)
	}
	for _, name := range names {
		files, err := os.ReadDir(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			file := filepath.Join(root, name, f.Name())
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			checkClock(t, fset, parsed)
			checkSystem(t, fset, parsed)
		}
	}
}

// checkSystem complains of what reaches the system.
func checkSystem(t *testing.T, fset *token.FileSet, f *ast.File) {
	some := map[string][]string{} // by the name in this file
	for _, spec := range f.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		for _, bad := range system {
			if imp == bad || strings.HasPrefix(imp, bad+"/") {
				t.Errorf("%s: a pure package imports %s", fset.Position(spec.Pos()), imp)
			}
		}
		if allowed, ok := harmless[imp]; ok {
			some[path.Base(imp)] = allowed
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && some[x.Name] != nil && !slices.Contains(some[x.Name], s.Sel.Name) {
				t.Errorf("%s: a pure package uses %s.%s", fset.Position(s.Pos()), x.Name, s.Sel.Name)
			}
		}
		return true
	})
}
