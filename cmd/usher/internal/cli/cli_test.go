package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/cmd/usher/internal/cli"
	"usher/cmd/usher/internal/plan"
)

// usher runs one command line.
func usher(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return usherIn(t, t.Context(), "", args...)
}

func usherIn(t *testing.T, ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(ctx, args, cli.System{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
	})
	return code, out.String(), errs.String()
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "usher.hcl")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const good = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.200/32"]
}
virtual_server "web" {
  address        = "192.0.2.200:80"
  forward_method = "nat"
  real_server "10.0.0.1:80" {}
}
`

func TestValidate(t *testing.T) {
	bad := strings.Replace(good, "51", "300", 1) + "nonsense {}\n"
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		out    string
		errors []string
	}{
		{"valid", []string{"-c", file(t, good)}, 0, "valid: 1 instance, 1 virtual server, 1 real server\n", nil},
		{"invalid", []string{"-c", file(t, bad)}, 1, "", []string{"line 4", "line 12", "nonsense {}"}},
		{"no program", []string{"-c", file(t, strings.Replace(good, "\n}\n", "\n  notify { command = [\"/gone\"] }\n}\n", 1))}, 0, "valid: 1 instance, 1 virtual server, 1 real server\n",
			[]string{"Program cannot be run", "This machine cannot run /gone: there is no such file.", "line 6"}},
		{"no file of a check", []string{"-c", file(t, strings.Replace(good, "  real_server", "  health_check \"https\" {\n    ca_file  = \"/gone\"\n    auth     = \"bearer\"\n    auth_env = \"USHER_TEST_GONE\"\n  }\n  real_server", 1))}, 0, "valid: 1 instance, 1 virtual server, 1 real server\n",
			[]string{"File of a check is not there", "ca_file is /gone: there is no such file."}},
		{"no file", []string{"-c", "/nonexistent.hcl"}, 2, "", []string{"no such file"}},
		{"wrong flag", []string{"--frob"}, 2, "", []string{"unknown flag: --frob", "usher validate --help"}},
		{"an argument", []string{"x"}, 2, "", []string{"unknown command"}},
		{"wrong variable", []string{"-c", file(t, good), "--var", "x"}, 2, "", []string{"name=value"}},
	} {
		code, out, errs := usher(t, append([]string{"validate"}, c.args...)...)
		if code != c.code || out != c.out {
			t.Errorf("%s: status %d, %q, want %d, %q; %s", c.name, code, out, c.code, c.out, errs)
		}
		for _, want := range c.errors {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: stderr lacks %q:\n%s", c.name, want, errs)
			}
		}
		if strings.Contains(errs, "\x1b") {
			t.Errorf("%s: colour, though stderr is no terminal", c.name)
		}
	}
	code, out, _ := usher(t, "validate", "--json", "-c", file(t, bad))
	var doc struct {
		Valid       bool
		Diagnostics []struct {
			Severity, Summary string
			Range             struct{ Start struct{ Line int } }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 1 || doc.Valid || len(doc.Diagnostics) != 2 || doc.Diagnostics[0].Range.Start.Line != 4 {
		t.Errorf("--json: status %d, %v, %s", code, err, out)
	}
	if code, out, _ := usher(t, "validate", "--json", "-c", file(t, good)); code != 0 || !strings.Contains(out, `"valid": true`) {
		t.Errorf("--json of a valid file: %d, %s", code, out)
	}
}

// TestExitStatuses: what scripts rely on.
func TestExitStatuses(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.sock")
	for _, c := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"frob"}, 2, `unknown command "frob"`},
		{[]string{"frob", "--help"}, 2, `unknown command "frob"`},
		{[]string{"help", "frob"}, 2, `unknown command "frob"`},
		{[]string{"help", "status", "frob"}, 2, `unknown command "frob" for "usher status"`},
		{[]string{"stauts"}, 2, "Did you mean this?\n\tstatus\n"},
		{[]string{"completion", "frob"}, 2, `unknown command "frob" for "usher completion"`},
		{[]string{"events", "-n", "-1"}, 2, "--lines -1 is no number of events"},
		{[]string{"drain", "web"}, 2, "REAL_SERVER is missing: usher drain VIRTUAL_SERVER REAL_SERVER, as in: usher drain web 10.1.2.3:80"},
		{[]string{"drain"}, 2, "VIRTUAL_SERVER and REAL_SERVER are missing"},
		{[]string{"failover", "web", "now"}, 2, `"now" is too much: usher failover INSTANCE`},
		{[]string{"import"}, 2, "FILE is missing"},
		{[]string{"--frob"}, 2, "unknown flag: --frob (see usher --help)"},
		{[]string{"status", "--check", "--json"}, 2, "[check json]"},
		{[]string{"status", "--check", "--control", none}, 3, ""},
		{[]string{"weight", "web", "10.0.0.1:80", "many"}, 2, "not a number in 0..65535"},
		{[]string{"maintenance", "maybe"}, 2, `"maybe" is neither on nor off: usher maintenance on|off`},
		{[]string{"status", "--control", none}, 1, "no usher answers at " + none},
		{[]string{"status", "--remote", "http://x"}, 2, "--remote wants an https:// URL"},
		{[]string{"plan", "--frob"}, 1, "unknown flag"}, // 2 means changes
		{[]string{"plan", "-c", "/nonexistent.hcl"}, 1, "no such file"},
		{[]string{"run", "-c", "/nonexistent.hcl"}, 1, "no such file"},
		{[]string{"run", "-c", file(t, "nonsense {}")}, 1, "nonsense {}"},
		{[]string{"check", "-c", file(t, "nonsense {}")}, 1, "nonsense {}"},
		{[]string{"real-server", "--undo", "--check"}, 2, "exclude each other"},
		{[]string{"real-server", "-c", file(t, good)}, 1, "no dr or tun service"},
	} {
		code, _, errs := usher(t, c.args...)
		if code != c.code || !strings.Contains(errs, c.err) {
			t.Errorf("usher %s: status %d, want %d; %q lacks %q", strings.Join(c.args, " "), code, c.code, errs, c.err)
		}
	}
}

// TestPlanWithoutADaemon: everything is new, and the address is said.
func TestPlanWithoutADaemon(t *testing.T) {
	dir := t.TempDir()
	text := "global {\n state = \"" + dir + "\"\n control = \"" + dir + "/x.sock\"\n}\n" + good[:strings.Index(good, "virtual_server")]
	code, out, errs := usher(t, "plan", "-c", file(t, text))
	if code != 2 || !strings.Contains(out, "+ instance web") || !strings.Contains(out, "+ 192.0.2.200/32 dev eth0 (web)") {
		t.Errorf("status %d\n%s%s", code, out, errs)
	}
	code, out, _ = usher(t, "plan", "--json", "-c", file(t, text))
	var p plan.Plan
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 2 || len(p.VRRP) != 1 || len(p.Addresses) != 1 || p.IPVS.Changes == nil {
		t.Errorf("--json: %d, %v, %s", code, err, out)
	}
}

// TestImport: what can be carried over is, what cannot is a warning, and the result
// is valid.
func TestImport(t *testing.T) {
	source := filepath.Join(t.TempDir(), "keepalived.conf")
	text := `vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress { 192.0.2.200/32 }
    frobnicate 7
}
`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := usher(t, "import", source)
	if code != 0 || !strings.Contains(out, `vrrp_instance "VI_1"`) || !strings.Contains(errs, source+":6: frobnicate") {
		t.Errorf("import: %d\n%s%s", code, out, errs)
	}
	if code, _, errs := usher(t, "validate", "-c", file(t, out)); code != 0 {
		t.Errorf("the import is invalid:\n%s", errs)
	}
	if code, _, _ := usher(t, "import", "--strict", source); code != 1 {
		t.Errorf("--strict with a warning: %d", code)
	}
	var doc struct {
		HCL      string
		Warnings []struct{ Line int }
	}
	_, asJSON, _ := usher(t, "import", "--json", source)
	if err := json.Unmarshal([]byte(asJSON), &doc); err != nil || doc.HCL != out || len(doc.Warnings) != 1 || doc.Warnings[0].Line != 6 {
		t.Errorf("--json: %v, %s", err, asJSON)
	}
	partial := text + "vrrp_instance VI_2 {\n    interface eth0\n}\nvirtual_server nowhere 80 {\n}\n"
	if err := os.WriteFile(source, []byte(partial), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"import", source}, {"import", "--json", source}} {
		code, out, errs := usher(t, args...)
		if code != 1 || !strings.Contains(out, "VI_1") || !strings.Contains(errs, "incomplete: 2 instances or virtual servers are left out") {
			t.Errorf("%v of a file that usher cannot serve as a whole: %d\n%s%s", args, code, out, errs)
		}
		if len(args) == 3 && strings.Count(out, `"left_out": true`) != 2 {
			t.Errorf("what is left out is not marked:\n%s", out)
		}
	}
	if code, _, errs := usher(t, "import", "/nonexistent.conf"); code != 1 || !strings.Contains(errs, "no such file") {
		t.Errorf("no file: %d, %s", code, errs)
	}
}

func TestFmt(t *testing.T) {
	ugly, pretty := "global {\nrouter_id=\"a\"\n}\n", "global {\n  router_id = \"a\"\n}\n"
	if code, out, _ := usherIn(t, t.Context(), ugly, "fmt"); code != 0 || out != pretty {
		t.Errorf("stdin: %d, %q", code, out)
	}
	name := file(t, ugly)
	if code, out, _ := usher(t, "fmt", "--check", name); code != 1 || out != name+"\n" {
		t.Errorf("--check: %d, %q", code, out)
	}
	if text, _ := os.ReadFile(name); string(text) != ugly {
		t.Error("--check changed the file")
	}
	if code, _, _ := usher(t, "fmt", filepath.Dir(name)); code != 0 {
		t.Errorf("folder: %d", code)
	}
	if text, _ := os.ReadFile(name); string(text) != pretty {
		t.Errorf("rewritten: %q", text)
	}
	// A folder means what it means to run: neither an editor's hidden files, nor a
	// pattern in its own name.
	odd := filepath.Join(t.TempDir(), "a[b]")
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("somebody@somewhere.1", filepath.Join(odd, ".#lb.hcl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(odd, "lb.hcl"), []byte(ugly), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := usher(t, "fmt", odd); code != 0 || out != filepath.Join(odd, "lb.hcl")+"\n" {
		t.Errorf("an odd folder: %d, %q, %s", code, out, errs)
	}
	if code, _, errs := usher(t, "fmt", t.TempDir()); code != 1 || !strings.Contains(errs, "no file whose name ends in .hcl") {
		t.Errorf("an empty folder: %d, %s", code, errs)
	}
	if code, _, errs := usher(t, "fmt", file(t, "x {")); code != 1 || !strings.Contains(errs, "line 1") {
		t.Errorf("syntax error: %d, %s", code, errs)
	}
}

// TestInitIsValid: the starter passes validate and is in canonical layout.
func TestInitIsValid(t *testing.T) {
	machine(t)
	code, out, errs := usher(t, "init")
	if code != 0 {
		t.Fatalf("init: %d, %s", code, errs)
	}
	name := file(t, out)
	if code, _, errs := usher(t, "validate", "-c", name); code != 0 {
		t.Errorf("the starter is invalid:\n%s", errs)
	}
	if code, _, _ := usher(t, "fmt", "--check", name); code != 0 {
		t.Error("the starter is not in canonical layout")
	}
	if code, _, errs := usher(t, "init", "--interface", "none7"); code != 1 || !strings.Contains(errs, `interface "none7" is not there`) {
		t.Errorf("no such interface: %d, %s", code, errs)
	}
	code, out, _ = usher(t, "init", "--vip", "198.51.100.7")
	if code != 0 || !strings.Contains(out, `"198.51.100.7/32"`) {
		t.Errorf("--vip: %d", code)
	}
}

// TestCheck runs real probes against a server that is there and one that is not.
func TestCheck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	text := `virtual_server "web" {
  address = "127.0.0.1:80"
  forward_method = "nat"
  health_check "tcp" { interval = "100ms" }
  real_server "` + l.Addr().String() + `" {}
  real_server "` + closed.Addr().String() + `" {}
}`
	code, out, errs := usher(t, "check", "--stats", "--for", "3s", "-c", file(t, text))
	if code != 0 {
		t.Fatalf("status %d: %s", code, errs)
	}
	states, started := map[string]string{}, uint64(0)
	for line := range strings.Lines(out) {
		var v struct {
			RealServer string `json:"real_server"`
			State      string
			Stats      *struct{ Started uint64 }
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if v.State != "" {
			states[v.RealServer] = v.State
		}
		if v.Stats != nil {
			started = v.Stats.Started
		}
	}
	if started < 2 {
		t.Errorf("the figures say that %d probes ran", started)
	}
	if states[l.Addr().String()] != "up" || states[closed.Addr().String()] == "up" {
		t.Errorf("states %v\n%s", states, out)
	}
}
