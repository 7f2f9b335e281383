package conf

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestNoConfigurationFile(t *testing.T) {
	dir := write(t, map[string]string{"binary.hcl": "# a\n# b \xff\xfe\n", "ok.hcl": "\ufeff# a byte order mark is UTF-8\n"})
	for file, want := range map[string]string{
		"/dev/zero":                      "/dev/zero: it is a device, not a regular file",
		filepath.Join(dir, "binary.hcl"): "binary.hcl is not UTF-8 text: byte 0xff in line 2",
	} {
		_, diags := Load([]string{file}, nil)
		if got := diags.Text(false); len(diags) != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	good(t, []string{filepath.Join(dir, "ok.hcl")}, nil)
}
