package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"usher/conf"
)

// daemon is the double of one, behind a control socket.
func daemon(t *testing.T, s api.Status) (socket string, b *apitest.Backend) {
	t.Helper()
	socket, b = filepath.Join(t.TempDir(), "u.sock"), apitest.New(s)
	t.Cleanup(serve(t, socket, b))
	return socket, b
}

// serve is b behind a control socket, until stop.
func serve(t *testing.T, socket string, b *apitest.Backend) (stop func()) {
	t.Helper()
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.Handler(b, http.NotFoundHandler(), true, nil), ConnContext: control.WithPeer}
	return apitest.Serve(server, l)
}

func TestStatusTable(t *testing.T) {
	since := time.Now().Add(-3 * time.Minute)
	socket, _ := daemon(t, api.Status{
		RouterID: "lb1", Version: "1", Started: since,
		Warnings:  []api.Warning{{Severity: "error", Subject: "web", Text: "split brain", Since: since}},
		Instances: []api.Instance{{Name: "web", State: "active", Priority: 100, EffectivePriority: 80, VirtualRouterID: 51, Interface: "eth0", ActiveRouter: "192.0.2.1", Addresses: []string{"192.0.2.200/32"}, Since: since}},
		VirtualServers: []api.VirtualServer{{Name: "web", Address: "192.0.2.200:80", Protocol: "tcp", Scheduler: "rr", ForwardMethod: "nat", Up: true, Quorum: 1, Since: since,
			Absent: []api.AbsentServer{{Address: "10.0.0.7:80", Override: api.Override{Mode: "drain", By: "anna"}, Text: "drained by anna"}},
			RealServers: []api.RealServer{{Address: "10.0.0.1:80", State: "draining", Weight: 5, Since: since, Reason: "drained by anna", Override: &api.Override{Mode: "drain", By: "anna"},
				Checks: []api.Check{{Type: "http", State: "up", LatencyMS: 1.24}}}}}},
	})
	code, out, errs := usher(t, "status", "--control", socket)
	if code != 1 { // a person is needed
		t.Fatal(code, errs)
	}
	if !strings.HasPrefix(out, "lb1: a person is needed: web: split brain\n") {
		t.Errorf("the first line does not say whether a person is needed:\n%s", out)
	}
	for _, want := range []string{"usher 1, up 3m", "error: web: split brain", "80 (of 100)", "192.0.2.200/32", "web  tcp 192.0.2.200:80  rr nat  up 3m", "0 (configured: 5)", "drained by anna", "http 1.2ms",
		"10.0.0.7:80 is not in the pool; when it comes back: drained by anna\n"} {
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

// TestWatchJSON: a line for each view, and nothing else while no daemon answers.
func TestWatchJSON(t *testing.T) {
	socket, b := filepath.Join(t.TempDir(), "u.sock"), apitest.New(api.Status{RouterID: "lb1"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, stdout := io.Pipe()
	complaints, stderr := io.Pipe()
	defer stdout.Close()
	defer stderr.Close()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"status", "--watch", "--json", "--interval", "100ms", "--control", socket}, cli.System{
			Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Getenv: func(string) string { return "" },
		})
	}()
	lines, said := make(chan string), make(chan string)
	for from, to := range map[io.Reader]chan<- string{out: lines, complaints: said} {
		go func() {
			for s := bufio.NewScanner(from); s.Scan(); {
				select {
				case to <- s.Text():
				case <-ctx.Done(): // what is still written is let go by
				}
			}
		}()
	}
	select {
	case line := <-lines:
		t.Errorf("stdout has %q", line)
	case text := <-said:
		if !strings.Contains(text, "no usher answers") {
			t.Errorf("stderr has %q", text)
		}
	}
	t.Cleanup(serve(t, socket, b))
	for got := 0; got < 2; {
		select {
		case line := <-lines:
			if got++; !strings.HasPrefix(line, `{"router_id":"lb1",`) {
				t.Errorf("stdout has %q", line)
			}
		case <-said: // one more from before
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("interrupted: status %d", code)
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

// TestEventsFollowOn: what has been shown is not shown again when the connection was
// lost, and what happened meanwhile is.
func TestEventsFollowOn(t *testing.T) {
	socket, b := filepath.Join(t.TempDir(), "u.sock"), apitest.New(api.Status{})
	for _, reason := range []string{"old", "one"} {
		b.Events().Add(events.Event{Kind: "reload", Reason: reason})
	}
	stop := serve(t, socket, b)
	ctx, cancel := context.WithCancel(t.Context())
	in, stdout := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"events", "-f", "-n", "1", "--control", socket}, cli.System{
			Stdin: strings.NewReader(""), Stdout: stdout, Stderr: io.Discard, Getenv: func(string) string { return "" },
		})
	}()
	lines := bufio.NewScanner(in)
	for _, want := range []string{"one", "two", "three"} {
		if want == "two" {
			stop()
			for _, reason := range []string{"two", "three"} {
				b.Events().Add(events.Event{Kind: "reload", Reason: reason})
			}
			t.Cleanup(serve(t, socket, b))
		}
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Fatalf("%q, not %s", lines.Text(), want)
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("interrupted: status %d", code)
	}
}

// TestHistoryOfAServer: the last 20 changes of one real server, whatever happened to
// others since.
func TestHistoryOfAServer(t *testing.T) {
	socket, b := daemon(t, api.Status{})
	change := func(server string, i int) {
		b.Events().Add(events.Event{Kind: "real_server", VirtualServer: "web", RealServer: server, To: "down", Reason: fmt.Sprintf("change %d", i)})
	}
	for i := range 30 {
		change("10.0.0.1:80", i)
	}
	for i := range 2 * events.DefaultSize {
		change("10.0.0.2:80", i)
	}
	for _, args := range [][]string{{"--real-server", "10.0.0.1:80"}, {"--virtual-server", "web", "--real-server", "10.0.0.1:80"}} {
		code, out, errs := usher(t, append([]string{"events", "--json", "--control", socket}, args...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != 0 || len(lines) != 20 || !strings.Contains(lines[0], `"change 10"`) || !strings.Contains(lines[19], `"change 29"`) {
			t.Errorf("usher events %v: %d, %d lines\n%s%s", args, code, len(lines), out, errs)
		}
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
		{[]string{"drain", "web", "10.0.0.1:80", "--for", "2h", "--reason", "new disk"}, api.Steer{Mode: "drain", VirtualServer: "web", RealServer: "10.0.0.1:80", ForSeconds: 7200, Reason: "new disk"}, "drain: web 10.0.0.1:80"},
		{[]string{"disable", "web", "10.0.0.1:80", "--for", "1500ms", "--force"}, api.Steer{Mode: "disable", VirtualServer: "web", RealServer: "10.0.0.1:80", ForSeconds: 2, Force: true}, "disable: web 10.0.0.1:80"},
		{[]string{"enable", "web", "10.0.0.1:80", "--local"}, api.Steer{Mode: "enable", VirtualServer: "web", RealServer: "10.0.0.1:80", Local: true}, "enable: web 10.0.0.1:80"},
		{[]string{"weight", "web", "10.0.0.1:80", "5", "--local"}, api.Steer{Mode: "weight", VirtualServer: "web", RealServer: "10.0.0.1:80", Weight: &n, Local: true}, "weight: web 10.0.0.1:80"},
		{[]string{"weight", "web", "10.0.0.1:80", "5", "--for", "90s"}, api.Steer{Mode: "weight", VirtualServer: "web", RealServer: "10.0.0.1:80", Weight: &n, ForSeconds: 90}, "weight: web 10.0.0.1:80"},
		{[]string{"failover", "web"}, api.Name{Instance: "web"}, "web handed over to 192.0.2.7"},
		{[]string{"failover", "web", "--no-wait"}, api.Name{Instance: "web", NoWait: true}, "web handed over to 192.0.2.7"},
		{[]string{"maintenance", "on", "--force", "--no-wait"}, api.Switch{On: true, Force: true, NoWait: true}, "maintenance on"},
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

// TestReloadByTheServiceManager: systemctl reload reaches a daemon whose configuration
// names another control socket.
func TestReloadByTheServiceManager(t *testing.T) {
	socket, b := daemon(t, api.Status{})
	state := t.TempDir()
	text, err := json.Marshal(conf.Config{Global: conf.Global{State: state, Control: socket}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "last-good.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	code := cli.Run(t.Context(), []string{"reload"}, cli.System{
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errs,
		Getenv: func(name string) string { return map[string]string{"STATE_DIRECTORY": state}[name] },
	})
	if asked := b.Asked(); code != 0 || len(asked) != 1 || asked[0] != "reload" {
		t.Errorf("status %d, asked %v; %s", code, asked, errs.String())
	}
}

// TestCompletion offers the daemon's own names.
// TestWithdrawFromALiveDaemon is refused, though the daemon does not do all its work: its
// instances may be active.
func TestWithdrawFromALiveDaemon(t *testing.T) {
	socket, b := daemon(t, api.Status{})
	b.Sicken("IPVS: no buffer space available")
	state := t.TempDir()
	good := fmt.Sprintf(`{"Global": {"Control": %q, "State": %q}}`, socket, state)
	if err := os.WriteFile(filepath.Join(state, "last-good.json"), []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := usher(t, "withdraw", "--state", state); code != 1 || !strings.Contains(stderr, "stop it first") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}

// TestPlanBesideADaemonThatIsNotUnderstood: what cannot be compared with is an error, for
// a plan from nothing would be wrong.
func TestPlanBesideADaemonThatIsNotUnderstood(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(l, http.NotFoundHandler())
	defer l.Close()
	f := file(t, "global { http = \"\" }\n")
	if code, stdout, stderr := usher(t, "plan", "-c", f, "--control", l.Addr().String()); code != 1 || !strings.Contains(stderr, "404") {
		t.Errorf("exit status %d: %s%s", code, stdout, stderr)
	}
}

// TestPlanTakesTheDaemonsVariables: those of its --var and of its environment, of which
// one that no file declares is none of the plan's; by hand others can be given.
func TestPlanTakesTheDaemonsVariables(t *testing.T) {
	socket, _ := daemon(t, api.Status{})
	t.Cleanup(func() { os.Unsetenv("USHER_VAR_vip"); os.Unsetenv("USHER_VAR_other") })
	f := file(t, fmt.Sprintf(`
variable "priority" {}
variable "vip" {}
global { control = %q }
vrrp_instance "p" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = var.priority
  virtual_addresses = [var.vip]
}
`, socket))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "192.0.2.77/32"},
		{[]string{"--var", "vip=192.0.2.78"}, "192.0.2.78/32"},
	} {
		if code, out, errs := usher(t, append([]string{"plan", "-c", f, "--control", socket}, tc.args...)...); code != 2 || !strings.Contains(out, tc.want) {
			t.Errorf("%v: exit status %d:\n%s%s", tc.args, code, out, errs)
		}
	}
}

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
