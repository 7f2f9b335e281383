package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSecretOfAnotherUser: who may not read a secret can validate the rest of the
// file and see what it would change, but not run it.
func TestSecretOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.hcl")
	text := `
vrrp_instance "a" {
  interface         = "eth0"
  virtual_router_id = 1
  version           = 2
  virtual_addresses = ["192.0.2.1/24"]
  authentication {
    type          = "pass"
    password_file = "secret"
  }
}
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret\n"), 0o000); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"validate", "-c", file}, 0, "Warning: Secret not looked at"},
		{[]string{"run", "-c", file}, 1, "File cannot be read"},
		{[]string{"plan", "-c", file}, 2, "Warning: Secret not looked at"},
	} {
		// Of the whole process: files are read by whatever thread.
		if err := syscall.Seteuid(65534); err != nil {
			t.Fatal(err)
		}
		code, out, errs := usher(t, tc.args...)
		if err := syscall.Seteuid(0); err != nil {
			t.Fatal(err)
		}
		if code != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("%v: %d, not %d with %q\n%s%s", tc.args, code, tc.code, tc.want, out, errs)
		}
	}
}
