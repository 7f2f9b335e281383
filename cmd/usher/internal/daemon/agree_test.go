package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/api/apitest"
	"usher/cmd/usher/internal/cli"
	"usher/cmd/usher/internal/daemon"
	"usher/test/browser"
)

// TestAllAgree: whatever the matter is, the first line of `usher status`, its exit status,
// that of --check, and /healthz say the same of whether a person is needed.
func TestAllAgree(t *testing.T) {
	backend := apitest.New(api.Status{})
	socket := filepath.Join(t.TempDir(), "usher.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.Handler(backend, http.NotFoundHandler(), true, nil)}
	defer apitest.Serve(server, l)()
	run := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := cli.Run(t.Context(), append(args, "--control", socket), cli.System{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
		return code, out.String()
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	healthz := func() (int, string) {
		answer, err := client.Get("http://usher/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	all := daemon.Conditions()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		backend.Change(func(now *api.Status) { *now = s })
		want := map[api.Level]struct {
			code, check, http int
			word              string
		}{
			api.LevelOK:      {0, 0, 200, "OK"},
			api.LevelWarning: {0, 1, 200, "WARNING"},
			api.LevelError:   {1, 2, 503, "CRITICAL"},
		}[s.Verdict.Level]
		code, text := run("status")
		if first, _, _ := strings.Cut(text, "\n"); code != want.code || !strings.Contains(first, s.Verdict.Text) {
			t.Errorf("%s: status ends with %d and says %q; the verdict is %+v", name, code, first, s.Verdict)
		}
		code, text = run("status", "--check")
		if line := fmt.Sprintf("USHER %s - %s: %s\n", want.word, s.RouterID, s.Verdict.Text); code != want.check || text != line {
			t.Errorf("%s: status --check ends with %d and says %q; want %d %q", name, code, text, want.check, line)
		}
		code, text = healthz()
		said := slices.ContainsFunc(s.Warnings, func(w api.Warning) bool { return strings.Contains(text, w.Text) })
		if code != want.http || s.Verdict.Level != api.LevelOK && !said {
			t.Errorf("%s: healthz %d %q; the verdict is %+v", name, code, text, s.Verdict)
		}
	}
}

// pageAgrees has the status page, which is open, show each condition, and fails the test
// where its first line is not the verdict, or not in the colour and form of its level.
func pageAgrees(t *testing.T, ctx context.Context) {
	t.Helper()
	for name, s := range daemon.Conditions() {
		if s.VirtualServers == nil {
			s.VirtualServers = []api.VirtualServer{}
		}
		names := []string{}
		for _, v := range s.VirtualServers {
			names = append(names, v.Name)
		}
		patch, err := json.Marshal(map[string]any{"status": s, "virtual_servers": s.VirtualServers, "order": names})
		if err != nil {
			t.Fatal(err)
		}
		want := s.Verdict.Text + " | " + map[api.Level]string{api.LevelOK: "good", api.LevelWarning: "warn", api.LevelError: "bad"}[s.Verdict.Level]
		// In one go, so that nothing of the stream comes between.
		got := browser.Evaluate[string](t, ctx, fmt.Sprintf(`(() => {
			applyPatch(%s);
			const v = document.getElementById("verdict");
			return v.textContent + " | " + v.className;
		})()`, patch))
		if got != want {
			t.Errorf("%s: the page says %q, the verdict is %q", name, got, want)
		}
	}
}
