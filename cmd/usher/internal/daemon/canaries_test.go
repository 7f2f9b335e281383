package daemon_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	programs "usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/notify"
	"usher/cmd/usher/internal/page"
	"usher/cmd/usher/internal/sdnotify"
	"usher/director"
	"usher/director/engine"
	"usher/director/ipvstest"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
	"usher/healthcheck/probe"
	"usher/vrrp"
)

// TestNoCanaryIsShown: every key that can hold a secret has one, servers and receivers of
// alerts send back what they were told and more, reloads fail, and nothing that usher
// says shows any of them.
func TestNoCanaryIsShown(t *testing.T) {
	f := newFixture(t)
	n := &nest{t: t, dir: f.dir, where: map[string]string{}}
	script := "#!/bin/sh\necho \"$TOKEN $MODE $*\"\necho \"$TOKEN $MODE $*\" >&2\nexit 3\n"
	if err := os.WriteFile(filepath.Join(f.dir, "script"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()

	// Servers say more than they were told: what only others of the configuration know.
	var others, password string
	foreign := func() string { return others }
	talks := func(told string) string { return foreign() + " " + told + "\r\n" }
	page1 := func(told string) string { return "HTTP/1.1 500 " + foreign() + "\r\nConnection: close\r\n\r\n" + told }
	var mu sync.Mutex
	var bodies strings.Builder
	n.ports = map[string]int{
		"tcp": echo(t, true, talks), "http": echo(t, true, page1), "https": echo(t, true, talks), "tls": echo(t, true, talks), "grpc": echo(t, true, talks),
		"smtp":  echo(t, false, func(string) string { return "554 no " + foreign() + "\r\n" }),
		"redis": echo(t, true, func(told string) string { return "-ERR " + foreign() + " " + told + "\r\n" }),
		"agent": echo(t, true, func(told string) string { return "down #" + strings.ReplaceAll(told, "\n", " ") + foreign() + "\n" }),
		"mysql": echo(t, false, func(string) string {
			text := "no " + foreign()
			return string([]byte{byte(len(text) + 9), 0, 0, 0}) + "\xff\x15\x04#28000" + text
		}),
		"postgres": echo(t, true, func(string) string {
			b := "C28P01\x00M" + foreign() + "\x00\x00"
			return "E" + string(binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))) + b
		}),
		"webhook": echo(t, true, func(told string) string {
			request, body, _ := strings.Cut(told, "\r\n\r\n")
			first, _, _ := strings.Cut(request, "\r\n")
			mu.Lock()
			defer mu.Unlock()
			bodies.WriteString(body + "\n")
			return "HTTP/1.1 403 " + first + " " + foreign() + "\r\nContent-Length: 0\r\n\r\n"
		}),
	}
	mail := echo(t, false, func(string) string {
		return "220 a\r\n250-a\r\n250 AUTH PLAIN\r\n535 no " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00"+password)) + " " + foreign() + "\r\n"
	})
	n.own = map[string]string{
		"state": fmt.Sprintf("%q", f.state()), "control": fmt.Sprintf("%q", f.socket()), "http": fmt.Sprintf("%q", address), "peers.listen": fmt.Sprintf("%q", strings.Replace(address, "127.0.0.1", "127.0.0.2", 1)),
		"email.server": fmt.Sprintf("\"127.0.0.1:%d\"", mail), "starttls": `"never"`, "health_check smtp.starttls": "",
	}
	f.write(n.config())
	password = n.of("global email.password")
	n.of("vrrp_instance authentication key.secret") // is there
	others = password + " " + n.of("vrrp_instance.interface") + " " + n.of("virtual_server health_check agent.send")
	if len(n.where) < 300 {
		t.Fatalf("%d canaries are too few", len(n.where))
	}

	ctx := t.Context()
	seen := map[string]string{}
	seen["usher validate"] = command(ctx, "validate", "-c", f.file)
	seen["usher validate --json"] = command(ctx, "validate", "--json", "-c", f.file)
	if !strings.Contains(seen["usher validate"], "valid: 3 instances, 3 virtual servers") {
		t.Fatalf("the configuration is invalid:\n%s", seen["usher validate"])
	}

	// Types of checks that have run, what the service manager is told.
	var probed sync.Map
	all := make(chan struct{})
	var once sync.Once
	manager := filepath.Join(f.dir, "manager")
	told, err := net.ListenPacket("unixgram", manager)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", manager)
	f.notify = sdnotify.New()
	states := make(chan string, 1)
	t.Cleanup(func() { told.Close() })
	go func() {
		var b strings.Builder
		buffer := make([]byte, 64<<10)
		for {
			k, _, err := told.ReadFrom(buffer)
			if err != nil {
				states <- b.String()
				return
			}
			b.Write(append(buffer[:k], '\n'))
		}
	}()
	f.parts = f.world.parts()
	f.pages = map[string]http.Handler{"GET /{$}": page.Handler()}
	log, control := logging.New(f.log)
	commands := programs.New()
	defer commands.Close()
	f.parts.Checks = func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
		p := probe.New(probe.Options{Log: log, Commands: commands.Check})
		return checkengine.New(checkengine.Options{Log: log, Prober: p, Results: h.Results, Events: h.Events, Observe: func(c healthcheck.Type, r healthcheck.Result) {
			h.Observe(c, r)
			probed.Store(c, true)
			seen := 0
			probed.Range(func(any, any) bool { seen++; return true })
			if seen >= 15 {
				once.Do(func() { close(all) })
			}
		}}), p.BFD()
	}
	f.parts.Director = func(state string, events func(director.Event)) (daemon.Director, error) {
		return engine.New(engine.Options{Kernel: ipvstest.New(), State: state, Events: events, Log: log}), nil
	}
	f.parts.Alerts = func() daemon.Alerts { return notify.New(notify.Options{Log: log, Run: commands.Notify}) }
	f.logger, f.control = log, control
	var renamed atomic.Value
	f.machine.Interfaces = func() ([]string, error) {
		name, _ := renamed.Load().(string)
		return []string{"lo", "eth0", name}, nil
	}
	d, stop := f.start()
	select {
	case <-all:
	case <-time.After(2 * time.Minute):
		t.Fatalf("not every check has run:\n%s", f.log)
	}
	for i := range rounds {
		f.await(d, func(e events.Event) bool {
			return e.VirtualServer == fmt.Sprintf("virtual_server%d", i) && e.To == "down"
		}, f.ended)
		f.world.vrrpEvents(vrrp.Event{Time: time.Now(), Kind: vrrp.EventState, Instance: fmt.Sprintf("vrrp_instance%d", i), To: vrrp.Fault,
			Reason: "interface " + n.of("vrrp_instance.interface") + " is not there"})
	}

	look := func(when string) {
		for _, args := range [][]string{{"status"}, {"status", "--json"}, {"events"}, {"events", "--json"}} {
			seen["usher "+strings.Join(args, " ")+when] = command(ctx, append(args, "--control", f.socket())...)
		}
		for _, args := range [][]string{{"validate"}, {"plan"}, {"plan", "--json"}} {
			seen["usher "+strings.Join(args, " ")+when] = command(ctx, append(args, "-c", f.file)...)
		}
		for _, path := range []string{"/", "/metrics", "/healthz", "/livez", "/api/v1/status", "/api/v1/health", "/api/v1/config", "/api/v1/events", "/api/v1/openapi.json", "/api/v1/variables"} {
			seen[path+when] = get(t, "http://"+address+path)
		}
		seen["/api/v1/stream"+when] = firstLines(t, "http://"+address+"/api/v1/stream")
		var plan any
		err := api.Socket(f.socket()).Post(ctx, "/api/v1/plan", nil, &plan)
		seen["POST plan"+when] = fmt.Sprint(plan, err)
	}
	look("")

	// Interfaces that have another name from now on, and are not there at first. The old
	// one stays hidden.
	old, now := n.of("vrrp_instance.interface"), n.next("the new interface")
	config := n.vars.String() + n.body.String()
	for c, of := range n.where {
		if of == "vrrp_instance.interface" {
			config = strings.ReplaceAll(config, c, now)
		}
	}
	f.write(strings.ReplaceAll(config, `level = "debug"`, "level = \"debug\"\n  format = \"json\""))
	look(" before the reload")
	seen["usher reload, no interface"] = command(ctx, "reload", "--control", f.socket())
	if !strings.Contains(seen["usher reload, no interface"], healthcheck.Hidden) {
		t.Errorf("no interface is told of:\n%s", seen["usher reload, no interface"])
	}
	renamed.Store(now)
	seen["usher reload"] = command(ctx, "reload", "--control", f.socket())
	if !strings.Contains(seen["usher reload"], "reloaded") {
		t.Errorf("the reload failed:\n%s", seen["usher reload"])
	}
	f.world.vrrpEvents(vrrp.Event{Time: time.Now(), Kind: vrrp.EventState, Instance: "vrrp_instance0", To: vrrp.Fault, Reason: "interface " + old + " is gone"})

	// Files that are no good: a key misspelt, a string without an end, an interface that
	// cannot be one, a file's content where it does not belong.
	for what, more := range map[string]string{
		"misspelt": fmt.Sprintf("vrrp_instance \"x\" {\n  authentication {\n    passwort = %q\n  }\n}\n", n.next("misspelt")),
		"endless":  fmt.Sprintf("global {\n  email {\n    password = \"%s\n  }\n}\n", n.next("endless")),
		"misused":  fmt.Sprintf("vrrp_instance \"x\" {\n  interface = \"${%s}/0\"\n}\n", "var.misused") + fmt.Sprintf("variable \"misused\" {\n  default = %q\n  sensitive = true\n}\n", n.next("misused")),
		"file":     fmt.Sprintf("locals {\n  s = file(%q)\n}\nvrrp_instance \"x\" {\n  interface = local.s\n  priority = local.s\n}\n", filepath.Join(f.dir, "line")),
		"twice":    "global {\n  control = \"/elsewhere\"\n  log {\n    level = local.s\n  }\n}\n" + fmt.Sprintf("locals {\n  s = file(%q)\n}\n", filepath.Join(f.dir, "line")),
	} {
		if err := os.WriteFile(filepath.Join(f.dir, "line"), []byte(n.next("a file's line")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.write(config + more)
		seen["reload, "+what] = command(ctx, "reload", "--control", f.socket())
		seen["validate, "+what] = command(ctx, "validate", "-c", f.file)
		if !strings.Contains(seen["reload, "+what], "nothing was changed") || !strings.Contains(seen["validate, "+what], "Error") {
			t.Errorf("%s: no error:\n%s", what, seen["reload, "+what])
		}
	}
	look(" at the end")
	if err := stop(); err != nil {
		t.Error(err)
	}
	told.Close()
	seen["service manager"] = <-states
	seen["log"] = f.log.String()
	mu.Lock()
	seen["bodies of webhooks"] = bodies.String()
	mu.Unlock()
	kept, err := os.ReadFile(filepath.Join(f.state(), "events.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen["events.json"] = string(kept)
	for where, text := range seen {
		if where == "bodies of webhooks" {
			// What an operator writes into a body is sent: a key that the receiver asks for.
			for c, of := range n.where {
				if strings.HasSuffix(of, "webhook.body") {
					text = strings.ReplaceAll(text, c, "")
				}
			}
		}
		n.shows(t, where, text)
	}
	// They were looked for where they could have been.
	for where, least := range map[string]int{
		"usher status": 3, "usher status --json": 20, "usher events --json": 3, "/api/v1/status": 20, "/api/v1/config": 100, "/api/v1/stream": 20, "/api/v1/events": 3,
		"POST plan before the reload": 1, "log": 20, "bodies of webhooks": 2, "service manager": 1, "events.json": 3, "usher events --json at the end": 4,
	} {
		if n := strings.Count(seen[where], healthcheck.Hidden); n < least {
			t.Errorf("%s hides %d values, not %d:\n%s", where, n, least, seen[where][:min(len(seen[where]), 3000)])
		}
	}
	for _, what := range []string{"misspelt", "endless", "misused", "file"} {
		if !strings.Contains(seen["validate, "+what], "****") {
			t.Errorf("%s: nothing is hidden:\n%s", what, seen["validate, "+what])
		}
	}
	if !strings.Contains(seen["log"], `"level":"`) {
		t.Error("the log was never JSON")
	}
}

// firstLines is the first event of a stream.
func firstLines(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	var text strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}
