package keepalived

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/conf"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestImport holds what becomes of whole files, warnings included, to the letter.
func TestImport(t *testing.T) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	t.Setenv("USHER_TEST_VIP", "192.168.60.77")
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".conf"), func(t *testing.T) {
			hcl, warnings, err := Import(f, Options{ID: "lb1", Instance: "blue"})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			b.Write(hcl)
			for _, w := range warnings {
				b.WriteString("\n## " + w.String())
			}
			golden(t, strings.TrimSuffix(f, ".conf")+".golden", b.String()+"\n")
			if _, diags := conf.LoadText("usher.hcl", hcl, nil); diags.HasErrors() {
				t.Errorf("the import is not valid:\n%s", diags.Text(false))
			}
			again, diags := conf.Format(hcl, "usher.hcl")
			if diags.HasErrors() || string(again) != string(hcl) {
				t.Errorf("the import is not as usher fmt would write it:\n%s", cmp.Diff(string(again), string(hcl)))
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestWhatTheHostKeeps: addresses, routes and rules of the machine itself are left
// where they are, one warning for each block with where they belong and what usher
// has for those that move.
func TestWhatTheHostKeeps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	text := "static_ipaddress {\n 10.0.0.1/8 dev eth3\n}\nstatic_routes {\n 10.9.0.0/16 via 10.0.0.254\n}\nstatic_rules {\n from 10.9.0.0/16 table 9\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Import(file, Options{})
	if err != nil || len(warnings) != 3 {
		t.Fatalf("%v, %v", warnings, err)
	}
	for i, want := range []struct {
		line int
		kind string
	}{{1, "virtual_address"}, {4, "virtual_route"}, {7, "virtual_rule"}} {
		if w := warnings[i]; w.Line != want.line || !strings.Contains(w.Reason, "systemd-networkd") || !strings.Contains(w.Reason, "as "+want.kind+" in the vrrp_instance") {
			t.Errorf("%s", w)
		}
	}
}
