package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/conf"
)

// TestText: a file of another encoding is read as text that loads from a file, too;
// what is no text is an error.
func TestText(t *testing.T) {
	const instance = "vrrp_instance a { # caf%\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  10.0.0.1\n }\n notify \"/bin/n \\xe9\"\n}\n"
	for _, tc := range []struct{ name, text, want, warning, err string }{
		{"UTF-8", strings.Replace(instance, "%", "é", 1), "café", "", ""},
		{"with a mark", "\ufeff" + instance, `vrrp_instance "a"`, "", ""},
		{"Latin-1", strings.Replace(instance, "%", "\xe9", 1), "café", "text: not UTF-8", ""},
		{"CRLF", strings.ReplaceAll(instance, "\n", "\r\n"), `["10.0.0.1/32"]`, "", ""},
		{"binary", "\n\x7fELF\x00\x00", "", "", "is not a text file: there is a zero byte in line 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "keepalived.conf")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			hcl, warnings, err := Import(file, Options{ID: "x"})
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("%v, not %s", err, tc.err)
				}
				return
			}
			if err != nil || !strings.Contains(string(hcl), tc.want) {
				t.Fatalf("%v\n%s", err, hcl)
			}
			told := ""
			for _, w := range warnings {
				if !strings.Contains(w.Reason, "no user is given") {
					told += w.String()
				}
			}
			if (told == "") != (tc.warning == "") || !strings.Contains(told, tc.warning) {
				t.Errorf("%s", told)
			}
			written := filepath.Join(dir, "usher.hcl")
			if err := os.WriteFile(written, hcl, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, diags := conf.Load([]string{written}, nil); diags.HasErrors() {
				t.Error(diags.Text(false))
			}
		})
	}
}
