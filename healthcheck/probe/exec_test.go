package probe_test

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/probe"
)

// shell runs programs by os/exec, as far as these tests need it.
func shell(ctx context.Context, p probe.Program) (probe.Exit, error) {
	cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
	cmd.Env, cmd.WaitDelay = p.Env, time.Second
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return probe.Exit{}, ctx.Err()
	case errors.As(err, &ended):
		e := probe.Exit{Code: ended.ExitCode(), Output: out}
		if status := ended.Sys().(syscall.WaitStatus); status.Signaled() {
			e.Signal = int(status.Signal())
		}
		return e, nil
	}
	return probe.Exit{Output: out}, err
}

func TestExec(t *testing.T) {
	for _, x := range []struct {
		name    string
		script  string
		weight  string
		warning bool
		timeout time.Duration
		outcome healthcheck.Outcome
		words   string
		advice  healthcheck.Advice
	}{
		{name: "ok", script: "exit 0", outcome: healthcheck.Pass},
		{name: "warning", script: "echo getting full; exit 1", outcome: healthcheck.Pass, words: `warning: "getting full"`},
		{name: "warning = down", script: "exit 1", warning: true, outcome: healthcheck.Fail, words: "ended with status 1"},
		{name: "critical", script: "echo; echo disk is full >&2; exit 2", outcome: healthcheck.Fail, words: `ended with status 2: "disk is full"`},
		{name: "exit weight", script: "exit 12", weight: "exit", outcome: healthcheck.Pass, advice: healthcheck.Advice{Weighted: true, Weight: 10}},
		{name: "exit weight, failed", script: "exit 1", weight: "exit", outcome: healthcheck.Fail, words: "status 1"},
		{name: "printed weight", script: "echo 42; echo more", weight: "stdout", outcome: healthcheck.Pass, advice: healthcheck.Advice{Weighted: true, Weight: 42}},
		{name: "printed nonsense", script: "echo lots", weight: "stdout", outcome: healthcheck.Fail, words: `printed "lots", want a weight`},
		{name: "signal", script: "kill -SEGV $$", outcome: healthcheck.Fail, words: "was ended by a signal: segmentation fault"},
		{name: "environment", script: `test "$USHER_ADDRESS:$USHER_PORT:$MORE" = 192.0.2.1:80:yes`, outcome: healthcheck.Pass},
		{name: "slow", script: "exec sleep 60", timeout: 200 * time.Millisecond, outcome: healthcheck.Fail, words: "did not end within 200 ms and was killed"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := healthcheck.Check{Type: healthcheck.TypeExec, Address: addr("192.0.2.1:80"), Timeout: x.timeout,
				Exec: &healthcheck.Exec{Command: []string{"/bin/sh", "-c", x.script}, Weight: x.weight, WarningDown: x.warning, Env: []string{"MORE=yes"}}}
			r := run(t, c)
			expect(t, r, x.outcome, x.words)
			if r.Advice != x.advice {
				t.Errorf("advice %+v, want %+v", r.Advice, x.advice)
			}
			if r.CannotRun {
				t.Error("it is said that it cannot run")
			}
		})
	}
}

// TestCannotRun: whatever of this machine keeps a probe from being made says so, and says
// nothing of the server.
func TestCannotRun(t *testing.T) {
	gone := &healthcheck.Credential{Scheme: "basic", User: "u", File: "/no/such/file"}
	here := addr("127.0.0.1:9")
	there := serve(t, func(conn net.Conn) { conn.Read(make([]byte, 1)) }).Address
	for name, x := range map[string]struct {
		check healthcheck.Check
		words string
	}{
		"program missing":       {healthcheck.Check{Type: healthcheck.TypeExec, Exec: &healthcheck.Exec{Command: []string{"/no/such/program"}}}, "no such file or directory"},
		"password file missing": {healthcheck.Check{Type: healthcheck.TypeRedis, Address: here, Database: &healthcheck.Database{Password: gone}}, "no such file or directory"},
		"variable not set":      {healthcheck.Check{Type: healthcheck.TypeRedis, Address: here, Database: &healthcheck.Database{Password: &healthcheck.Credential{Variable: "NO_SUCH_VARIABLE"}}}, "NO_SUCH_VARIABLE is not set"},
		"ca_file missing":       {healthcheck.Check{Type: healthcheck.TypeTLS, Address: there, TLS: &healthcheck.TLS{CAFile: "/no/such/file"}}, "ca_file"},
		"credential of http":    {healthcheck.Check{Type: healthcheck.TypeHTTP, Address: here, HTTP: &healthcheck.HTTP{Credential: gone}}, "no such file or directory"},
		"bind address, tcp":     {healthcheck.Check{Type: healthcheck.TypeTCP, Address: here, Bind: addr("192.0.2.77:0")}, "cannot assign requested address"},
		"bind address, http":    {healthcheck.Check{Type: healthcheck.TypeHTTP, Address: here, Bind: addr("192.0.2.77:0"), HTTP: &healthcheck.HTTP{}}, "cannot assign requested address"},
		"interface, tcp":        {healthcheck.Check{Type: healthcheck.TypeTCP, Address: here, Interface: "nosuch0"}, "no such device"},
		"file, no regular one":  {healthcheck.Check{Type: healthcheck.TypeFile, File: &healthcheck.File{Path: "/dev", Mode: "weight"}}, "is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, x.check)
			expect(t, r, healthcheck.Inconclusive, x.words)
			if !r.CannotRun {
				t.Errorf("%+v does not say that it cannot run", r)
			}
		})
	}
}
