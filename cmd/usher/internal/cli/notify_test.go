package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNotifyTest: what came of each way out, and the exit status of the worst.
func TestNotifyTest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "a.hcl")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
global {
  webhook "%s/good" {}
}
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.200/32"]
  webhook "%[1]s/bad-secret" { retries = 9 }
}
`, s.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args      []string
		code      int
		out, errs string
	}{
		{[]string{"--test", "-c", file}, 1, "instance web: webhook " + s.URL, ""},
		{[]string{"--test", "-c", file, "global"}, 0, ": delivered\n", ""},
		{[]string{"--test", "-c", file, "web"}, 1, ": failed: not tried again: answer 403 Forbidden\n", ""},
		{[]string{"--test", "--json", "-c", file, "global"}, 0, `"delivered": true`, ""},
		{[]string{"--test", "--json", "-c", file, "web"}, 1, `"error": "not tried again: answer 403 Forbidden"`, ""},
		{[]string{"--test", "-c", file, "wep"}, 2, "", `nothing called "wep" notifies anybody`},
		{[]string{"-c", file}, 2, "", "give --test"},
		{[]string{"--test", "-c", file + "x"}, 2, "", "no such file"},
	} {
		code, out, errs := usher(t, append([]string{"notify"}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) || strings.Contains(out, "bad-secret") {
			t.Errorf("%v: %d, %q, %q; want %d, %q, %q", c.args, code, out, errs, c.code, c.out, c.errs)
		}
	}
}
