package conf

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoSecretInADiagnostic: whatever is wrong with a file, no message shows a
// secret of it, even where the line that it is about holds one.
func TestNoSecretInADiagnostic(t *testing.T) {
	const server = "virtual_server \"web\" {\n address = \"192.0.2.1:80\"\n real_server \"10.0.0.1:80\" {}\n"
	const hook = `webhook "https://usher:obsidian@hooks.example.org/services/obsidian?key=obsidian"`
	for name, config := range map[string]string{
		"password, no end of the string": "global {\n email {\n  password = \"obsidian\n }\n}\n",
		"password, no assignment":        "global {\n email {\n  password: \"obsidian\"\n }\n}\n",
		"password, no equals sign":       "vrrp_instance \"a\" {\n authentication {\n  password \"obsidian\"\n }\n}\n",
		"password, bare":                 "vrrp_instance \"a\" {\n authentication {\n  password obsidian\n }\n}\n",
		"password, keepalived's word":    "vrrp_instance \"a\" {\n authentication {\n  auth_pass = \"obsidian\"\n }\n}\n",
		"password, keepalived's way":     "vrrp_instance \"a\" {\n authentication {\n  auth_pass obsidian\n }\n}\n",
		"password, two on a line":        "vrrp_instance \"a\" {\n authentication { password = \"obsidian\" type = \"pass\" }\n}\n",
		"password, too long":             "vrrp_instance \"a\" {\n interface = \"eth0\"\n virtual_router_id = 1\n version = 2\n virtual_addresses = [\"192.0.2.1\"]\n authentication {\n  type = \"pass\"\n  password = \"obsidian7\"\n }\n}\n",
		"password, a heredoc":            "global {\n email {\n  server = \"m\"\n  from = \"f\"\n  to = [\"t\"]\n  password = [<<X\nobsidian\nX\n]\n }\n}\n",
		"local, no end of the string":    "locals {\n mail_password = \"obsidian\n}\n",
		"webhook, unknown key":           "global {\n " + hook + " {\n  secrets = 1\n }\n}\n",
		"webhook, key of another":        "global {\n " + hook + " {\n  secret = [\"obsidian\"]\n }\n}\n",
		"webhook, all on a line":         "global {\n " + hook + " { nonsense = 1 }\n}\n",
		"webhook, a block in it":         "global {\n " + hook + " {\n  secret {}\n }\n}\n",
		"webhook, no URL":                "global {\n webhook \"hooks.example.org/services/obsidian\" {}\n}\n",
		"header, wrong type":             server + " health_check \"http\" {\n  headers = { Authorization = \"obsidian\", Accept = [1] }\n }\n}\n",
		"header, no end of the string":   server + " health_check \"http\" {\n  headers = {\n   Authorization = \"Bearer obsidian\n  }\n }\n}\n",
		"environment, no map":            server + " health_check \"exec\" {\n  command = [\"/bin/true\"]\n  environment = [\"KEY=obsidian\"]\n }\n}\n",
		"environment, from a local":      "locals {\n e = \"obsidian\"\n}\n" + server + " health_check \"exec\" {\n  command = [\"/bin/true\"]\n  environment = local.e\n }\n}\n",
		"password, misspelt":             "vrrp_instance \"a\" {\n authentication {\n  passwort = \"obsidian\"\n }\n}\n",
		"password, letters swapped":      "vrrp_instance \"a\" {\n authentication {\n  passwrod = \"obsidian\"\n }\n}\n",
		"sensitive, an interface":        "variable \"v\" {\n default = \"obsidian/0\"\n sensitive = true\n}\nvrrp_instance \"a\" {\n interface = var.v\n virtual_router_id = 1\n virtual_addresses = [\"192.0.2.1\"]\n}\n",
		"sensitive, in a local":          "variable \"v\" {\n default = \"obsidian/0\"\n sensitive = true\n}\nlocals {\n l = [var.v]\n}\nvrrp_instance \"a\" {\n interface = local.l[0]\n virtual_router_id = 1\n virtual_addresses = [\"192.0.2.1\"]\n}\n",
		"sensitive, a duration":          "variable \"v\" {\n default = \"obsidian\"\n sensitive = true\n}\n" + server + " drain_timeout = var.v\n}\n",
		"sensitive, a word":              "variable \"v\" {\n default = \"obsidian\"\n sensitive = true\n}\n" + server + " scheduler = var.v\n}\n",
		"sensitive, an address":          "variable \"v\" {\n default = \"obsidian\"\n sensitive = true\n}\nbfd \"r\" {\n address = var.v\n}\n",
		"sensitive, a prefix":            "variable \"v\" {\n default = \"obsidian\"\n sensitive = true\n}\nvrrp_instance \"a\" {\n virtual_addresses = [var.v]\n}\n",
	} {
		_, diags := new(Loader).load([]text{{"a.hcl", []byte(config)}}, nil, nil)
		document, err := json.Marshal(diags)
		if err != nil {
			t.Fatal(err)
		}
		if !diags.HasErrors() || strings.Contains(diags.Text(true)+diags.Err().Error()+string(document), "obsidian") {
			t.Errorf("%s:\n%s", name, diags.Text(false))
		}
	}
}

// TestNoFileContentInADiagnostic: the one line of a file, a password mostly, is in no
// message either, whatever way it took; what is no secret stays readable.
func TestNoFileContentInADiagnostic(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("obsidian/0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"local.s", "trimspace(local.s)", "\"${trimspace(local.s)}x\""} {
		config := fmt.Sprintf("locals {\n s = file(%q)\n}\nvrrp_instance \"a\" {\n interface = %s\n virtual_router_id = 1\n virtual_addresses = [\"192.0.2.1\", \"nonsense\"]\n}\n", secret, value)
		_, diags := new(Loader).load([]text{{"a.hcl", []byte(config)}}, nil, nil)
		shown := diags.Text(true)
		if !diags.HasErrors() || strings.Contains(shown, "obsidian") || !strings.Contains(shown, "nonsense") {
			t.Errorf("%s:\n%s", value, shown)
		}
	}
}

func TestMaskURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://hooks.example.org":                    "https://hooks.example.org",
		"https://hooks.example.org/":                   "https://hooks.example.org/",
		"https://hooks.example.org/T0/B1?x=y":          "https://hooks.example.org/*********",
		`"https://u:p@hooks.example.org:8443/T0"`:      `"https://***@hooks.example.org:8443/**"`,
		"hooks.example.org/T0":                         "hooks.example.org/**",
		"https://hooks.example.org?token":              "https://hooks.example.org?*****",
		"https://usher:pass/word@hooks.example.org/T0": "https://***************@hooks.example.org/**",
	} {
		if got := maskURL(url); got != want {
			t.Errorf("%s is %s, not %s", url, got, want)
		}
	}
}
