package conf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProgramsAreLookedFor: where a loader is to look, each program that this machine
// cannot run is a warning at its place, however the configuration is loaded; else nothing
// depends on the machine.
func TestProgramsAreLookedFor(t *testing.T) {
	const config = `vrrp_instance "edge" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.1/32"]
  track_script "gone" {
    command = ["/gone/track", "x"]
    user    = "nobody"
  }
  track_script "fine" { command = ["/fine"] }
  notify { command = ["/gone/notify"] }
}
virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  health_check "exec" {
    command     = ["/gone/check"]
    environment = { A = "b" }
  }
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" {}
}
`
	file := filepath.Join(t.TempDir(), "lb.hcl")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked []string
	looks := &Loader{Programs: func(args []string, user string, env []string) error {
		asked = append(asked, fmt.Sprint(args, user, env))
		if strings.HasPrefix(args[0], "/gone") {
			return errors.New("there is no such file")
		}
		return nil
	}}
	for name, load := range map[string]func() (*Config, Diagnostics){
		"load":     func() (*Config, Diagnostics) { return looks.Load([]string{file}, nil) },
		"again":    func() (*Config, Diagnostics) { return looks.Load([]string{file}, nil) },
		"inspect":  func() (*Config, Diagnostics) { return looks.Inspect([]string{file}, nil) },
		"not load": func() (*Config, Diagnostics) { return Load([]string{file}, nil) },
	} {
		asked = nil
		c, found := load()
		if c == nil {
			t.Fatalf("%s: %s", name, found.Text(false))
		}
		var lines []string
		for _, d := range found {
			lines = append(lines, fmt.Sprintf("%d %s %s: %s", d.Range.Start.Line, d.Severity, d.Summary, d.Detail))
		}
		want := []string{
			"6 warning Program cannot be run: This machine cannot run /gone/track: there is no such file.",
			"10 warning Program cannot be run: This machine cannot run /gone/notify: there is no such file.",
			"16 warning Program cannot be run: This machine cannot run /gone/check: there is no such file.",
		}
		if name == "not load" {
			want = nil
		} else if !slices.Contains(asked, "[/gone/track x]nobody[]") || !slices.Contains(asked, "[/gone/check][A=b]") {
			t.Errorf("%s: asked %q", name, asked)
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s: %q", name, lines)
		}
	}
}
