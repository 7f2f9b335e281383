package conf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestWhatChecksNeedStaysSecret: what a sensitive variable says is not in the warning that
// a path made of it brings.
func TestWhatChecksNeedStaysSecret(t *testing.T) {
	const config = `variable "s" {
  default   = "canary"
  sensitive = true
}
virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  health_check "https" { ca_file = "/gone/${var.s}" }
  real_server "10.0.0.1:80" {}
}
`
	file := filepath.Join(t.TempDir(), "web.hcl")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, found := (&Loader{Files: func(path string) error { return errors.New(path + " is gone") }}).Load([]string{file}, nil)
	text := found.Text(false)
	if c == nil || !strings.Contains(text, "File of a check is not there") || strings.Contains(strings.ReplaceAll(text, `= "canary"`, ""), "canary") {
		t.Error(text)
	}
}

// TestWhatChecksNeedIsLookedFor: where a loader is to look, each file and variable that a
// check lacks is a warning at its place, once however many servers inherit it, and each
// name is looked at once; else nothing depends on the machine.
func TestWhatChecksNeedIsLookedFor(t *testing.T) {
	const config = `virtual_server "NAME" {
  address        = "ADDRESS"
  forward_method = "nat"
  health_check "https" {
    ca_file   = "/gone/ca"
    cert_file = "/fine/cert"
    key_file  = "/gone/key"
    auth      = "bearer"
    auth_env  = "GONE_TOKEN"
  }
  health_check "redis" { password_file = "/gone/secret" }
  health_check "mysql" {
    user         = "usher"
    password_env = "FINE_SECRET"
  }
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" {
    health_check "https" { timeout = "1s" }
  }
}
`
	web := strings.NewReplacer("NAME", "web", "ADDRESS", "192.0.2.1:80").Replace(config)
	fine := strings.NewReplacer("NAME", "fine", "ADDRESS", "192.0.2.1:81", "/gone", "/fine", "GONE", "FINE").Replace(config)
	more := strings.NewReplacer(`"fine"`, `"more"`, ":81", ":82").Replace(fine)
	dir := t.TempDir()
	file, good := filepath.Join(dir, "web.hcl"), filepath.Join(dir, "good.hcl")
	if err := errors.Join(os.WriteFile(file, []byte(web), 0o600), os.WriteFile(good, []byte(fine+more), 0o600)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string
	look := func(name string) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, name)
		if strings.HasPrefix(strings.ToUpper(strings.TrimPrefix(name, "/")), "GONE") {
			return errors.New("it is gone")
		}
		return nil
	}
	files := []string{
		"5 warning File of a check is not there: ca_file is /gone/ca: it is gone. The check judges no server without it.",
		"7 warning File of a check is not there: key_file is /gone/key: it is gone. The check judges no server without it.",
		"9 warning Variable of a check is not set: auth_env is GONE_TOKEN: it is gone. The check judges no server without it.",
		"11 warning File of a check is not there: password_file is /gone/secret: it is gone. The check judges no server without it.",
	}
	noVariable := []string{files[0], files[1], files[3]}
	for _, tc := range []struct {
		name string
		load func() (*Config, Diagnostics)
		want []string
	}{
		{"load", func() (*Config, Diagnostics) {
			return (&Loader{Files: look, Variables: look}).Load([]string{file}, nil)
		}, files},
		{"inspect", func() (*Config, Diagnostics) {
			return (&Loader{Files: look}).Inspect([]string{file}, nil)
		}, noVariable},
		{"all there", func() (*Config, Diagnostics) {
			return (&Loader{Files: look, Variables: look}).Load([]string{good}, nil)
		}, nil},
		{"not looked", func() (*Config, Diagnostics) { return Load([]string{file}, nil) }, nil},
	} {
		asked = nil
		c, found := tc.load()
		if c == nil {
			t.Fatalf("%s: %s", tc.name, found.Text(false))
		}
		var lines []string
		for _, d := range found {
			if d.Summary == "File of a check is not there" || d.Summary == "Variable of a check is not set" {
				lines = append(lines, fmt.Sprintf("%d %s %s: %s", d.Range.Start.Line, d.Severity, d.Summary, d.Detail))
			}
		}
		slices.Sort(lines)
		want := slices.Sorted(slices.Values(tc.want))
		if !slices.Equal(lines, want) {
			t.Errorf("%s: %q, want %q", tc.name, lines, want)
		}
		if slices.Sort(asked); len(slices.Compact(slices.Clone(asked))) != len(asked) || (tc.name == "all there") != slices.Contains(asked, "/fine/ca") {
			t.Errorf("%s: asked %q", tc.name, asked)
		}
	}
}
