package conf

import (
	"fmt"
	"strings"
	"testing"
)

// TestWarningsOfManyServices: one warning that holds for each of 50 services is told of
// once, with the count and the first places; a few are told of each.
func TestWarningsOfManyServices(t *testing.T) {
	many := func(services int) string {
		s := "vrrp_instance \"a\" {\n  interface         = \"eth0\"\n  virtual_router_id = 1\n  virtual_addresses = [\"192.0.2.1/32\"]\n}\n"
		for n := range services {
			s += fmt.Sprintf("virtual_server \"s%d\" {\n  address = \"198.51.100.%d:80\"\n  real_server \"10.0.0.1:80\" {}\n}\n", n, n+1)
		}
		return s
	}
	for _, c := range []struct{ services, told int }{{3, 3}, {4, 1}, {50, 1}} {
		_, diags := (&Loader{how: loading{look: true}}).load([]text{{"usher.hcl", []byte(many(c.services))}}, nil, nil)
		if len(diags) != c.services {
			t.Fatalf("%d warnings:\n%s", len(diags), diags.Text(false))
		}
		shown := diags.Text(false)
		if n := strings.Count(shown, "Warning: Address of no instance"); n != c.told {
			t.Errorf("%d services: told %d times\n%s", c.services, n, shown)
		}
		if c.services == 50 && !strings.Contains(shown, "The like in 49 other places: usher.hcl line 11, usher.hcl line 15, usher.hcl line 19, 46 more.") {
			t.Error(shown)
		}
	}
	errors := Diagnostics{{Severity: SeverityError, Summary: "x"}, {Severity: SeverityError, Summary: "x"}, {Severity: SeverityError, Summary: "x"}, {Severity: SeverityError, Summary: "x"}}
	if n := len(errors.Merged()); n != 4 {
		t.Errorf("%d of 4 errors are told of", n)
	}
}
