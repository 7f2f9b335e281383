package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/cli"
	"usher/cmd/usher/internal/control"
	"usher/cmd/usher/internal/events"
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
		{[]string{"drain", "web"}, 2, "accepts 2 arg(s)"},
		{[]string{"weight", "web", "10.0.0.1:80", "many"}, 2, "not a number in 0..65535"},
		{[]string{"maintenance", "maybe"}, 2, `invalid argument "maybe"`},
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
	if code, _, errs := usher(t, "fmt", file(t, "x {")); code != 1 || !strings.Contains(errs, "line 1") {
		t.Errorf("syntax error: %d, %s", code, errs)
	}
}

// TestInitIsValid: the starter passes validate and is in canonical layout.
func TestInitIsValid(t *testing.T) {
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
	code, out, errs := usher(t, "check", "--for", "1s", "-c", file(t, text))
	if code != 0 {
		t.Fatalf("status %d: %s", code, errs)
	}
	states := map[string]string{}
	for line := range strings.Lines(out) {
		var v struct {
			RealServer string `json:"real_server"`
			State      string
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if v.State != "" {
			states[v.RealServer] = v.State
		}
	}
	if states[l.Addr().String()] != "up" || states[closed.Addr().String()] == "up" {
		t.Errorf("states %v\n%s", states, out)
	}
}

// TestManual: the page is made from the commands and troff has no complaint.
func TestManual(t *testing.T) {
	code, out, _ := usher(t, "man")
	if code != 0 {
		t.Fatal(code)
	}
	for _, want := range []string{".TH USHER 8", "usher drain VIRTUAL_SERVER REAL_SERVER", "\\-\\-last\\-good", "Exit status: 0 no change, 2 changes, 1 error"} {
		if !strings.Contains(out, want) {
			t.Errorf("the manual lacks %q", want)
		}
	}
	cmd := exec.Command("man", "--warnings", "-l", "-")
	cmd.Stdin = strings.NewReader(out)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("man: %v\n%s", err, complaints.String())
	}
}

// TestEveryCommandTeaches: a long help and an example where there is something to
// learn, and completion for the three shells.
func TestEveryCommandTeaches(t *testing.T) {
	_, help, _ := usher(t, "--help")
	for _, verb := range []string{"run", "validate", "plan", "reload", "status", "drain", "enable", "disable", "weight", "failover", "maintenance",
		"check", "events", "real-server", "fmt", "init", "version", "completion", "man"} {
		if !strings.Contains(help, "\n  "+verb+" ") {
			t.Errorf("help lacks %s", verb)
		}
		if code, out, _ := usher(t, verb, "--help"); code != 0 || len(out) < 100 {
			t.Errorf("usher %s --help: %d, %q", verb, code, out)
		}
	}
	if strings.Contains(help, "vrrp-child") {
		t.Error("help shows the hidden command")
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, _ := usher(t, "completion", shell); code != 0 || len(out) < 1000 {
			t.Errorf("completion %s: %d", shell, code)
		}
	}
	if code, out, _ := usher(t, "version", "--json"); code != 0 || !strings.Contains(out, `"go": "go1.`) {
		t.Errorf("version: %d, %s", code, out)
	}
}

// daemon is the double of one, behind a control socket.
func daemon(t *testing.T, s api.Status) (socket string, b *apitest.Backend) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "u.sock")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	b = apitest.New(s)
	server := &http.Server{Handler: api.Handler(b, http.NotFoundHandler(), true, nil), ConnContext: control.WithPeer}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return socket, b
}

func TestStatusTable(t *testing.T) {
	since := time.Now().Add(-3 * time.Minute)
	socket, _ := daemon(t, api.Status{
		RouterID: "lb1", Version: "1", Started: since,
		Warnings:  []api.Warning{{Severity: "error", Subject: "web", Text: "split brain", Since: since}},
		Instances: []api.Instance{{Name: "web", State: "active", Priority: 100, EffectivePriority: 80, VirtualRouterID: 51, Interface: "eth0", ActiveRouter: "192.0.2.1", Addresses: []string{"192.0.2.200/32"}, Since: since}},
		VirtualServers: []api.VirtualServer{{Name: "web", Address: "192.0.2.200:80", Protocol: "tcp", Scheduler: "rr", ForwardMethod: "nat", Up: true, Quorum: 1, Since: since,
			RealServers: []api.RealServer{{Address: "10.0.0.1:80", State: "draining", Weight: 5, Since: since, Override: &api.Override{Mode: "drain", By: "anna"},
				Checks: []api.Check{{Type: "http", State: "up", LatencyMS: 1.24}}}}}},
	})
	code, out, errs := usher(t, "status", "--control", socket)
	if code != 0 {
		t.Fatal(errs)
	}
	for _, want := range []string{"lb1  usher 1, up 3m", "error: web: split brain", "80 (of 100)", "192.0.2.200/32", "web  tcp 192.0.2.200:80  rr nat  up 3m", "0 (of 5)", "drain by anna", "http 1.2ms"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colour, though stdout is no terminal")
	}
	jq := exec.Command("jq", "-er", `.instances[0].state + " " + .virtual_servers[0].real_servers[0].address`)
	_, doc, _ := usher(t, "status", "--json", "--control", socket)
	jq.Stdin = strings.NewReader(doc)
	if got, err := jq.Output(); err != nil || string(got) != "active 10.0.0.1:80\n" {
		t.Errorf("jq on --json: %q, %v", got, err)
	}
}

// TestEventsFollow sees what was, then what comes, each as it happens.
func TestEventsFollow(t *testing.T) {
	socket, b := daemon(t, api.Status{})
	b.Events().Add(events.Event{Kind: "state", Instance: "web", From: "backup", To: "active", Reason: "silence"})
	code, out, _ := usher(t, "events", "--control", socket)
	if code != 0 || !strings.Contains(out, "web: state backup -> active: silence") {
		t.Errorf("events: %d, %q", code, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	in, stdout := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"events", "-f", "--json", "--control", socket}, cli.System{
			Stdin: strings.NewReader(""), Stdout: stdout, Stderr: io.Discard, Getenv: func(string) string { return "" },
		})
	}()
	lines := bufio.NewScanner(in)
	for i, want := range []string{`"seq":1`, `"reason":"fine"`} {
		if i == 1 {
			b.Events().Add(events.Event{Kind: "reload", To: "done", Reason: "fine"})
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("line %d: %q lacks %s", i, lines.Text(), want)
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("interrupted: status %d", code)
	}
}

// TestSteering: each command says to the daemon what it was told to.
func TestSteering(t *testing.T) {
	socket, b := daemon(t, api.Status{})
	n := 5
	for _, c := range []struct {
		args []string
		want any
		out  string
	}{
		{[]string{"drain", "web", "10.0.0.1:80"}, api.Steer{Mode: "drain", VirtualServer: "web", RealServer: "10.0.0.1:80"}, "drain: web 10.0.0.1:80"},
		{[]string{"disable", "web", "10.0.0.1:80"}, api.Steer{Mode: "disable", VirtualServer: "web", RealServer: "10.0.0.1:80"}, "disable: web 10.0.0.1:80"},
		{[]string{"enable", "web", "10.0.0.1:80"}, api.Steer{Mode: "enable", VirtualServer: "web", RealServer: "10.0.0.1:80"}, "enable: web 10.0.0.1:80"},
		{[]string{"weight", "web", "10.0.0.1:80", "5"}, api.Steer{Mode: "weight", VirtualServer: "web", RealServer: "10.0.0.1:80", Weight: &n}, "weight: web 10.0.0.1:80"},
		{[]string{"failover", "web"}, api.Name{Instance: "web"}, "web handed over"},
		{[]string{"maintenance", "on"}, api.Switch{On: true}, "maintenance on"},
		{[]string{"maintenance", "off"}, api.Switch{}, "maintenance off"},
		{[]string{"reload"}, "reload", "configuration reloaded"},
	} {
		code, out, errs := usher(t, append(c.args, "--control", socket)...)
		asked := b.Asked()
		got := asked[len(asked)-1]
		if s, ok := got.(api.Steer); ok {
			s.By = ""
			got = s
		}
		if code != 0 || strings.TrimSpace(out) != c.out || !cmp.Equal(got, c.want) {
			t.Errorf("usher %v: %d, %q, %s; asked %+v, want %+v", c.args, code, out, errs, got, c.want)
		}
	}
	b.Refuse(&api.DetailedError{Err: errors.New("the file is bad"), Text: "line 7 is bad\n"})
	if code, _, errs := usher(t, "reload", "--control", socket); code != 1 || !strings.Contains(errs, "usher: the file is bad\n\nline 7 is bad") {
		t.Errorf("a refused reload: %d, %q", code, errs)
	}
}

// TestCompletion offers the daemon's own names.
func TestCompletion(t *testing.T) {
	socket, _ := daemon(t, api.Status{
		Instances:      []api.Instance{{Name: "edge", State: "active"}},
		VirtualServers: []api.VirtualServer{{Name: "web", Address: "192.0.2.200:80", RealServers: []api.RealServer{{Address: "10.0.0.1:80", State: "up"}}}},
	})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"failover", "--control", socket, ""}, "edge\tactive"},
		{[]string{"drain", "--control", socket, ""}, "web\t192.0.2.200:80"},
		{[]string{"drain", "--control", socket, "web", ""}, "10.0.0.1:80\tup"},
	} {
		if _, out, _ := usher(t, append([]string{"__complete"}, c.args...)...); !strings.Contains(out, c.want) {
			t.Errorf("%v: %q lacks %q", c.args, out, c.want)
		}
	}
}
