package daemon_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
)

// TestWithdrawBefore: what a daemon held that was killed goes before anything else, where
// another configuration comes after it, one without instances too. A daemon that
// stopped left nothing, and leftovers of the same instances are the VRRP process's.
func TestWithdrawBefore(t *testing.T) {
	for name, c := range map[string]struct {
		next    func(*fixture) string
		stopped bool
		want    bool
	}{
		"another interface": {next: func(f *fixture) string { return f.both("lo", "web") }, want: true},
		"no instance":       {next: func(f *fixture) string { return f.global("") + pool("web") }, want: true},
		"the same":          {next: func(f *fixture) string { return f.both("eth0", "web") }},
		"stopped":           {next: func(f *fixture) string { return f.both("lo", "web") }, stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, stop := f.start()
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if !c.stopped {
				f.killed()
			}
			f.write(c.next(f))
			f.world, f.parts = newWorld(), daemon.Components{}
			f.start()
			got := f.world.noted()
			if c.want && got[0] != "withdraw edge on eth0" {
				t.Errorf("first of all: %q", got)
			}
			if !c.want && slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "withdraw") }) {
				t.Errorf("withdrew: %q", got)
			}
		})
	}
}

// TestWithdrawBefore_Unknown: of what was held nothing is known. That is said.
func TestWithdrawBefore_Unknown(t *testing.T) {
	f := newFixture(t)
	_, stop := f.start()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.killed()
	if err := os.WriteFile(filepath.Join(f.state(), "last-good.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := f.start()
	if !slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool { return strings.Contains(w.Text, "held is not known") }) {
		t.Errorf("not said: %+v", d.Status().Warnings)
	}
}
