package conf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestSourcesOfChecksAreLookedFor: the source address of a check that this machine does
// not have is a warning at its place, once however many servers inherit it; a virtual
// address, which may be on the peer, is none.
func TestSourcesOfChecksAreLookedFor(t *testing.T) {
	const config = `vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.1/32"]
}
virtual_server "web" {
  address        = "192.0.2.1:80"
  forward_method = "nat"
  health_check "tcp" { bind_address = "%[1]s" }
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" {
    health_check "http" { bind_address = "%[1]s" }
  }
  real_server "10.0.0.3:80" {
    health_check "http" { bind_address = "192.0.2.1" }
  }
  real_server "10.0.0.4:80" {
    health_check "http" { bind_port = 4000 }
  }
}
`
	file := filepath.Join(t.TempDir(), "web.hcl")
	var asked []string
	loader := &Loader{Addresses: func(address string) error {
		asked = append(asked, address)
		if address == "10.0.0.99" {
			return errors.New("no interface has it")
		}
		return nil
	}}
	for _, c := range []struct {
		address string
		load    func([]string, map[string]string) (*Config, Diagnostics)
		lines   []int
	}{
		{"10.0.0.9", loader.Load, nil},
		{"10.0.0.99", loader.Load, []int{9, 12}},
		{"10.0.0.99", loader.Inspect, []int{9, 12}},
		{"10.0.0.99", Load, nil},
	} {
		asked = nil
		if err := os.WriteFile(file, fmt.Appendf(nil, config, c.address), 0o600); err != nil {
			t.Fatal(err)
		}
		got, found := c.load([]string{file}, nil)
		if got == nil {
			t.Fatal(found.Text(false))
		}
		var lines []int
		for _, d := range found {
			if d.Summary != "Address of a check is not here" || d.Detail != "bind_address is 10.0.0.99: no interface has it. The check judges no server without it." {
				t.Errorf("%s: %s: %s", c.address, d.Summary, d.Detail)
			}
			lines = append(lines, d.Range.Start.Line)
		}
		if !slices.Equal(lines, c.lines) {
			t.Errorf("%s: warned at %v, want %v", c.address, lines, c.lines)
		}
		if slices.Contains(asked, "192.0.2.1") || slices.Contains(asked, "0.0.0.0") {
			t.Errorf("asked for %q", asked)
		}
	}
}
