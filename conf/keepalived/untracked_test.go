package keepalived

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"usher/conf"
)

// TestTrackedInterfaces: keepalived faults while an interface of an address, route or
// rule is down, unless it says no_track; so does usher, by what the import writes.
func TestTrackedInterfaces(t *testing.T) {
	const head = "vrrp_instance x {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n  192.0.2.10/24\n"
	for _, c := range []struct {
		more string
		want []string
	}{
		{"  192.0.2.11/24 dev eth1\n }\n", []string{"eth0", "eth1"}},
		{"  192.0.2.11/24 dev eth1 no_track\n }\n", []string{"eth0"}},
		{"  192.0.2.11/24 dev eth0 no_track\n }\n", []string{"eth0"}},
		{" }\n virtual_routes {\n  10.3.0.0/16 via 192.0.2.1 dev eth2\n }\n", []string{"eth0", "eth2"}},
		{" }\n virtual_routes {\n  10.3.0.0/16 via 192.0.2.1 dev eth2 no_track\n }\n", []string{"eth0"}},
		{" }\n virtual_routes {\n  10.3.0.0/16 via 192.0.2.1 no_track\n }\n", []string{"eth0"}},
		{" }\n virtual_rules {\n  from 10.3.0.0/16 iif eth3 table 9\n }\n", []string{"eth0", "eth3"}},
		{" }\n virtual_rules {\n  from 10.3.0.0/16 iif eth3 table 9 no_track\n }\n", []string{"eth0"}},
	} {
		file := filepath.Join(t.TempDir(), "keepalived.conf")
		if err := os.WriteFile(file, []byte(head+c.more+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		hcl, warnings, err := Import(file, Options{})
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", c.more, warnings, err)
		}
		got, diags := conf.LoadText("usher.hcl", hcl, nil)
		if diags.HasErrors() {
			t.Fatalf("%s: %s", c.more, diags.Text(false))
		}
		if needs := got.Instances[0].Needs(); !slices.Equal(needs, c.want) {
			t.Errorf("%s needs %v, want %v:\n%s", c.more, needs, c.want, hcl)
		}
	}
}
