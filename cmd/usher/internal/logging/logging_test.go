package logging_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/logging"
)

func TestFollowsTheConfiguration(t *testing.T) {
	var out strings.Builder
	log, control := logging.New(&out)
	sub := log.With("instance", "web")

	sub.Debug("unseen")
	sub.Info("one")
	if got := out.String(); !strings.Contains(got, "msg=one instance=web") || strings.Contains(got, "unseen") {
		t.Fatalf("text at info: %q", got)
	}

	out.Reset()
	if err := control.Set("debug", "json"); err != nil {
		t.Fatal(err)
	}
	sub.WithGroup("g").Debug("two", "k", 1)
	var line struct {
		Msg, Instance string
		G             struct{ K int }
	}
	if err := json.Unmarshal([]byte(out.String()), &line); err != nil || line.Msg != "two" || line.Instance != "web" || line.G.K != 1 {
		t.Fatalf("json at debug: %q: %v", out.String(), err)
	}
}

func TestBadSettingsChangeNothing(t *testing.T) {
	var out strings.Builder
	log, control := logging.New(&out)
	for _, c := range []struct{ level, format, want string }{
		{"loud", "text", `log level "loud" is not one of debug, info, warn, error`},
		{"error", "xml", `log format "xml" is not one of text, json`},
	} {
		if err := control.Set(c.level, c.format); err == nil || err.Error() != c.want {
			t.Errorf("Set(%q, %q): %v, want %s", c.level, c.format, err, c.want)
		}
	}
	log.Info("still here")
	if !strings.Contains(out.String(), "still here") {
		t.Error("a refused setting changed the level")
	}
}

// TestConceal: no secret in a message or in an attribute of whatever type, in both
// formats, with loggers handed out before; all else stays as it was.
func TestConceal(t *testing.T) {
	for format, want := range map[string]string{
		"text": `level=INFO msg="no (hidden)" instance=(hidden) error="open (hidden): no" list="[a (hidden)]" count=12345678 for=2s g.kind=x`,
		"json": `"level":"INFO","msg":"no (hidden)","instance":"(hidden)","error":"open (hidden): no","list":"[a (hidden)]","count":12345678,"for":2000000000,"g":{"kind":"x"}}`,
	} {
		var out strings.Builder
		log, control := logging.New(&out)
		if err := control.Set("info", format); err != nil {
			t.Fatal(err)
		}
		sub := log.With("instance", "opal-secret")
		control.Conceal(func(s string) string {
			return strings.NewReplacer("opal-secret", "(hidden)", "12345678", "(hidden)").Replace(s)
		})
		sub.Info("no opal-secret", "error", errors.New("open opal-secret: no"), "list", []string{"a", "opal-secret"}, "count", 12345678, "for", 2*time.Second, slog.Group("g", "kind", "x"))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s\nis not   %s", format, out.String(), want)
		}
	}
}
