package daemon_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/cli"
	programs "usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/logging"
	"usher/cmd/usher/internal/notify"
	"usher/director"
	"usher/director/engine"
	"usher/director/ipvstest"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
	"usher/healthcheck/probe"
)

// echo is a server that answers once, where it waits by what it was told.
func echo(t *testing.T, waits bool, answer func(told string) string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				told := make([]byte, 4096)
				n := 0
				if waits {
					if n, _ = conn.Read(told); n == 0 {
						return // a probe that was stopped before it spoke
					}
				}
				io.WriteString(conn, answer(string(told[:n])))
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// TestNoSecretIsShown: a daemon with a secret of every kind, among servers that
// pass, and others that send back what they were told, shows none of them: not in
// its status, events, configuration, metrics and log, and no command does.
func TestNoSecretIsShown(t *testing.T) {
	secrets := map[string]string{
		"basic": "basalt-11", "bearer": "beryl-12", "header": "heliodor-13", "redis": "rhyolite-14", "mysql": "marble-15",
		"postgres": "pumice-16", "environment": "emerald-17", "vrrp": "vermi-18", "key": "kunzite-19", "path": "peridot-20", "mail": "malachite-21", "new": "nephrite-22",
	}
	f := newFixture(t)
	inFile := func(name string) string {
		path := filepath.Join(f.dir, name+".secret")
		if err := os.WriteFile(path, []byte(secrets[name]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("TEST_BEARER", secrets["bearer"])
	t.Setenv("TEST_POSTGRES", secrets["postgres"])

	page := func(told string) string {
		return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + told[strings.Index(told, "Authorization"):]
	}
	refusal := func(text string) string { // PostgreSQL's
		b := "C28P01\x00M" + text + "\x00\x00"
		return "E" + string(binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))) + b
	}
	mysqlError := func(text string) string {
		return string([]byte{byte(len(text) + 9), 0, 0, 0}) + "\xff\x15\x04#28000" + text
	}
	script := filepath.Join(f.dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$TOKEN\" = "+secrets["environment"]+" ]\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	web := fmt.Sprintf(`auth = "basic"
    auth_user = "probe"
    auth_file = %q
    `, inFile("basic"))
	bearer := "auth = \"bearer\"\n    auth_env = \"TEST_BEARER\"\n    "
	header := fmt.Sprintf("headers = { Authorization = %q }\n    ", "Bearer "+secrets["header"])
	redis := fmt.Sprintf("password_file = %q\n    user = \"probe\"\n    ", inFile("redis"))
	checks := []struct {
		name, kind, keys string
		port             int
	}{
		{"basic-up", "http", web, echo(t, true, page)},
		{"basic-down", "http", web + `expect_body = "ready"`, echo(t, true, page)},
		{"bearer-up", "http", bearer, echo(t, true, page)},
		{"bearer-down", "http", bearer + `expect_body = "ready"`, echo(t, true, page)},
		{"header-up", "http", header, echo(t, true, page)},
		{"header-down", "http", header + `expect_body = "ready"`, echo(t, true, page)},
		{"redis-up", "redis", redis, echo(t, true, func(string) string { return "+OK\r\n+PONG\r\n" })},
		{"redis-down", "redis", redis, echo(t, true, func(told string) string {
			return "-ERR unknown command " + told[strings.Index(told, secrets["redis"]):] + "\r\n"
		})},
		{"mysql-down", "mysql", fmt.Sprintf("user = \"probe\"\n    password_file = %q", inFile("mysql")),
			echo(t, false, func(string) string { return mysqlError("no " + secrets["mysql"]) })},
		{"postgres-down", "postgres", "user = \"probe\"\n    password_env = \"TEST_POSTGRES\"", echo(t, true, func(string) string { return refusal("no " + secrets["postgres"]) })},
		{"exec-up", "exec", fmt.Sprintf("command = [%q]\n    environment = { TOKEN = %q }", script, secrets["environment"]), 0},
	}
	mail := echo(t, false, func(string) string {
		return "220 a\r\n250-a\r\n250 AUTH PLAIN\r\n535 no " + base64.StdEncoding.EncodeToString([]byte("\x00usher\x00"+secrets["mail"])) + "\r\n"
	})
	hook := echo(t, true, func(string) string { return "HTTP/1.1 403 " + secrets["key"] + "\r\nContent-Length: 0\r\n\r\n" })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	var config strings.Builder
	config.WriteString(strings.Replace(f.global(fmt.Sprintf(`
  log { level = "debug" }
  webhook "http://127.0.0.1:%d/%s" { secret = %q }
  email {
    server   = "127.0.0.1:%d"
    from     = "usher@example.org"
    to       = ["ops@example.org"]
    user     = "usher"
    password = %q
    starttls = "never"
  }
`, hook, secrets["path"], secrets["key"], mail, secrets["mail"])), `http = ""`, fmt.Sprintf("http = %q", address), 1))
	fmt.Fprintf(&config, `
vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 52
  version           = 2
  virtual_addresses = ["192.0.2.201/32"]
  authentication {
    type     = "pass"
    password = %q
  }
}
`, secrets["vrrp"][:8])
	for i, c := range checks {
		port := ""
		if c.port != 0 {
			port = fmt.Sprintf("port = %d\n    ", c.port)
		}
		fmt.Fprintf(&config, `
virtual_server %q {
  address        = "192.0.2.201:%d"
  forward_method = "nat"
  initial        = "up"
  health_check %q {
    interval = "1s"
    timeout  = "900ms"
    rise     = 1
    fall     = 1
    %s%s
  }
  real_server "127.0.0.1:%d" {}
}
`, c.name, 1000+i, c.kind, port, c.keys, 1000+i)
	}
	f.write(config.String())

	seen := map[string]string{}
	ctx := t.Context()
	seen["usher validate"] = command(ctx, "validate", "--json", "-c", f.file)
	seen["usher plan"] = command(ctx, "plan", "--json", "-c", f.file)
	told := &lines{}
	checking, enough := context.WithTimeout(ctx, time.Minute)
	defer enough()
	told.wrote = func(text string) {
		for _, c := range checks {
			// The first verdict is that it was not probed yet; all is well with one that is up.
			if strings.HasSuffix(c.name, "-down") && strings.Count(text, fmt.Sprintf(`"virtual_server":%q`, c.name)) < 2 {
				return
			}
		}
		enough()
	}
	cli.Run(checking, []string{"check", "-c", f.file}, cli.System{Stdin: strings.NewReader(""), Stdout: told, Stderr: told, Getenv: os.Getenv})
	seen["usher check"] = told.String()

	f.parts = f.world.parts()
	log, _ := logging.New(f.log)
	commands := programs.New()
	defer commands.Close()
	f.parts.Checks = func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
		p := probe.New(probe.Options{Log: log, Commands: commands.Check})
		return checkengine.New(checkengine.Options{Log: log, Prober: p, Results: h.Results, Events: h.Events, Observe: h.Observe}), p.BFD()
	}
	f.parts.Director = func(state string, events func(director.Event)) (daemon.Director, error) {
		return engine.New(engine.Options{Kernel: ipvstest.New(), State: state, Events: events, Log: log}), nil
	}
	f.parts.Alerts = func() daemon.Alerts { return notify.New(notify.Options{Log: log}) }
	d, stop := f.start()
	if values := f.world.secrets(); !slices.Contains(values, secrets["key"]) || !slices.Contains(values, secrets["vrrp"][:8]) {
		t.Errorf("the log of the VRRP process does not conceal all: %q", values)
	}
	for _, c := range checks {
		if word, ok := strings.CutPrefix(c.name, c.name[:strings.Index(c.name, "-")+1]); ok {
			f.await(d, func(e events.Event) bool { return e.VirtualServer == c.name && e.To == word }, f.ended)
		}
	}
	f.write(config.String() + "\nvrrp_instance \"new\" {\n  authentication {\n    password = \"" + secrets["new"] + "\n  }\n}\n")
	seen["usher reload"] = command(ctx, "reload", "--control", f.socket())
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"events"}, {"events", "--json"}} {
		seen["usher "+strings.Join(args, " ")] = command(ctx, append(args, "--control", f.socket())...)
	}
	seen["usher validate, invalid"] = command(ctx, "validate", "-c", f.file)
	for _, path := range []string{"/api/v1/config", "/api/v1/health", "/metrics", "/api/v1/openapi.json"} {
		seen[path] = get(t, "http://"+address+path)
	}
	var plan any
	if err := api.Socket(f.socket()).Post(ctx, "/api/v1/plan", nil, &plan); err != nil {
		seen["POST plan"] = err.Error()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	seen["log"] = f.log.String()

	for where, text := range seen {
		for kind, s := range secrets {
			for _, form := range []string{s, s[:8], base64.StdEncoding.EncodeToString([]byte("probe:" + s)), base64.StdEncoding.EncodeToString([]byte("\x00usher\x00" + s))} {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s shows the %s secret: ...%s...", where, kind, text[max(0, at-120):min(len(text), at+60)])
				}
			}
		}
	}
	// They were looked for where they could have been.
	for where, words := range map[string][]string{
		"usher check":             {healthcheck.Hidden, "mysql", "postgres", "redis"},
		"usher status --json":     {healthcheck.Hidden, "error 1045", "SQLSTATE", "refuses AUTH", "does not hold"},
		"usher events --json":     {healthcheck.Hidden, "error 1045", "SQLSTATE", "refuses AUTH", "does not hold", `"kind":"reload"`},
		"/api/v1/config":          {healthcheck.Hidden, "TEST_BEARER", "webhooks"},
		"/metrics":                {"usher_real_server_up", "usher_config_reload_success 0"},
		"log":                     {"notification not delivered", "answer 403 " + healthcheck.Hidden, "535", "clients are refused"},
		"usher reload":            {"Unterminated", "****"},
		"usher validate, invalid": {"Unterminated", "****"},
	} {
		for _, w := range words {
			if !strings.Contains(seen[where], w) {
				t.Errorf("%s does not tell of %q:\n%s", where, w, seen[where])
			}
		}
	}
}

// lines is output that is looked at as it comes.
type lines struct {
	bytes.Buffer
	wrote func(all string)
}

func (l *lines) Write(b []byte) (int, error) {
	n, err := l.Buffer.Write(b)
	l.wrote(l.String())
	return n, err
}

// command runs one, and gives all that it prints.
func command(ctx context.Context, args ...string) string {
	var out bytes.Buffer
	cli.Run(ctx, args, cli.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
	return out.String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
