package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// document runs a command line whose output is one JSON document.
func document[T any](t *testing.T, want int, stdin string, args ...string) T {
	t.Helper()
	var doc T
	code, out, errs := usherIn(t, t.Context(), stdin, args...)
	if code != want {
		t.Errorf("usher %v: status %d, not %d: %s", args, code, want, errs)
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("usher %v: %v: %s%s", args, err, out, errs)
	}
	return doc
}

type manual struct {
	Commands []struct {
		Name, Usage, Short string
		Flags              []struct{ Name, Type, Default, Usage string }
	}
}

// TestEveryCommandHasJSON, but the daemon itself, whose log has a format of its own,
// and what shells read.
func TestEveryCommandHasJSON(t *testing.T) {
	m := document[manual](t, 0, "", "man", "--json")
	if len(m.Commands) < 20 {
		t.Errorf("the manual has %d commands", len(m.Commands))
	}
	for _, c := range m.Commands {
		if c.Usage == "" || c.Short == "" {
			t.Errorf("%+v says too little", c)
		}
		has := slices.ContainsFunc(c.Flags, func(f struct{ Name, Type, Default, Usage string }) bool {
			return f.Name == "json" && f.Type == "bool" && f.Usage != ""
		})
		if none := c.Name == "run" || c.Name == "completion"; has == none {
			t.Errorf("usher %s has --json: %t", c.Name, has)
		}
	}
}

func TestFormatJSON(t *testing.T) {
	type files struct {
		Files []struct {
			Name        string
			Changed     bool
			HCL         *string
			Diagnostics []struct{ Summary string }
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"a.hcl": "a=1\n", "b.hcl": "b = 1\n", "c.hcl": "c = \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"--check"}, {}} {
		got := document[files](t, 1, "", append([]string{"fmt", "--json", dir}, args...)...)
		if len(got.Files) != 3 || !got.Files[0].Changed || got.Files[1].Changed || got.Files[2].Changed || got.Files[0].Diagnostics == nil ||
			len(got.Files[2].Diagnostics) == 0 || got.Files[0].Name != filepath.Join(dir, "a.hcl") || got.Files[0].HCL != nil {
			t.Errorf("fmt %v: %+v", args, got)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "a.hcl")); err != nil || string(text) != "a = 1\n" {
		t.Errorf("a.hcl is %q, %v", text, err)
	}
	got := document[files](t, 0, "a=1\n", "fmt", "--json")
	if len(got.Files) != 1 || got.Files[0].Name != "stdin" || got.Files[0].HCL == nil || *got.Files[0].HCL != "a = 1\n" {
		t.Errorf("fmt of a stream: %+v", got)
	}
}

// TestInitJSON is the same text as without.
func TestInitJSON(t *testing.T) {
	machine(t)
	_, plain, _ := usher(t, "init", "--vip", "192.0.2.200")
	got := document[struct{ HCL string }](t, 0, "", "init", "--json", "--vip", "192.0.2.200")
	if got.HCL != plain || !strings.Contains(plain, "vrrp_instance") {
		t.Errorf("%q, and without --json %q", got.HCL, plain)
	}
}

// TestWithdrawJSON, where nothing ever ran, and where what ran held nothing.
func TestWithdrawJSON(t *testing.T) {
	state := t.TempDir()
	type withdrawn struct{ Removed, Restored []string }
	for range 2 {
		got := document[withdrawn](t, 0, "", "withdraw", "--json", "--state", state)
		if got.Removed == nil || got.Restored == nil || len(got.Removed)+len(got.Restored) > 0 {
			t.Errorf("withdraw: %+v", got)
		}
		last := `{"Global": {"State": "` + state + `", "Control": "` + filepath.Join(state, "none.sock") + `"}}`
		if err := os.WriteFile(filepath.Join(state, "last-good.json"), []byte(last), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
