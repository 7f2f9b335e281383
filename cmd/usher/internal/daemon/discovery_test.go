package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/events"
	"usher/cmd/usher/internal/plan"
)

// discovered is a configuration whose pool has one server that is written down, and those
// that a file lists.
func (f *fixture) discovered(more string) string {
	return f.global("") + fmt.Sprintf(`
virtual_server "web" {
  address      = "192.0.2.200:80"
  health_check "tcp" {}
  real_server "10.0.0.1:80" {}
  discover "file" {
    paths = [%q]
    %s
  }
}
`, filepath.Join(f.dir, "targets", "web*.json"), more)
}

// list replaces the file by a rename.
func (f *fixture) list(targets ...string) {
	f.t.Helper()
	name := filepath.Join(f.dir, "targets", "web.json")
	text := fmt.Sprintf(`[{"targets": ["%s"], "labels": {"weight": "3"}}]`, strings.Join(targets, `", "`))
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name+".new", []byte(text), 0o600), os.Rename(name+".new", name),
	} {
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

// heard waits for an event of a kind with a text.
func (f *fixture) heard(d *daemon.Daemon, kind, text string) {
	f.t.Helper()
	f.await(d, func(e events.Event) bool { return e.Kind == kind && strings.Contains(e.Reason, text) }, f.ended)
}

// shown waits until the status has these servers of the pool, each with its source.
func (f *fixture) shown(d *daemon.Daemon, want ...string) api.Status {
	f.t.Helper()
	for {
		_, _, more := d.Events().List(events.Filter{})
		s := d.Status()
		var got []string
		for _, v := range s.VirtualServers {
			for _, r := range v.RealServers {
				kind, _, _ := strings.Cut(r.Source, " ")
				got = append(got, strings.TrimSpace(r.Address+" "+kind))
			}
		}
		if slices.Equal(got, want) {
			return s
		}
		select {
		case <-more:
		case <-f.world.changed:
		case err := <-f.ended:
			f.t.Fatalf("the daemon ended: %v\n%s", err, f.log)
		case <-f.t.Context().Done():
			f.t.Fatalf("servers %v, expected %v", got, want)
		}
	}
}

// steered waits until an order about a server of the pool is taken, which is so once the
// director shows it, the checks have it and the daemon goes by it.
func (f *fixture) steered(address string) {
	f.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		err := api.Socket(f.socket()).Post(f.t.Context(), "/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: address}, nil)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			f.t.Fatal(err)
		}
	}
}

// One file is replaced again and again, is broken, gone, and the daemon starts without
// it: its servers come and go one pool at a time, without a reload, and stay where it fails.
func TestDiscoveredServers(t *testing.T) {
	f := newFixture(t)
	f.list("10.0.0.2:80", "10.0.0.3:80")
	f.write(f.discovered(""))
	d, stop := f.start()
	s := f.shown(d, "10.0.0.1:80", "10.0.0.2:80 file", "10.0.0.3:80 file")
	if r := s.VirtualServers[0].RealServers; r[0].Weight != 1 || r[1].Weight != 3 {
		t.Errorf("weights: %+v", r)
	}
	if got := f.world.noted(); !slices.Equal(got, []string{"director apply", "checks apply"}) {
		t.Errorf("the start does not wait for what is discovered: %q", got)
	}

	f.list("10.0.0.3:80", "10.0.0.4:80")
	f.shown(d, "10.0.0.1:80", "10.0.0.3:80 file", "10.0.0.4:80 file")
	f.heard(d, "discovered", "1 came (10.0.0.4:80), 1 left (10.0.0.2:80); 2 by now")
	f.steered("10.0.0.4:80")
	if got := f.world.noted()[2:]; !slices.Equal(got, []string{"director web: 3 servers", "checks web: 3 servers", "override web 10.0.0.4:80 drain"}) {
		t.Errorf("more than one pool was touched: %q", got)
	}

	// What is said of a server that came is said to the director, as of any other, and of one
	// that left, too. Of one that was never there it needs force.
	for address, force := range map[string]bool{"10.0.0.4:80": false, "10.0.0.2:80": false, "10.0.0.9:80": true} {
		s := api.Steer{VirtualServer: "web", RealServer: address}
		post := func() error { return api.Socket(f.socket()).Post(t.Context(), "/api/v1/drain", s, nil) }
		if err := post(); force != (err != nil) || force && !strings.Contains(err.Error(), "usher drain --force has it hold from when one does") {
			t.Errorf("%s: %v", address, err)
		}
		if s.Force = force; force {
			if err := post(); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if err := api.Socket(f.socket()).Post(t.Context(), "/api/v1/enable", api.Steer{VirtualServer: "web", RealServer: "10.0.0.9:80"}, nil); err == nil {
		t.Error("nothing was said of a server that is not there, and it is lifted")
	}

	// A reload keeps what is discovered.
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.shown(d, "10.0.0.1:80", "10.0.0.3:80 file", "10.0.0.4:80 file")

	if err := os.WriteFile(filepath.Join(f.dir, "targets", "web.json"), []byte(`[{"targets": ["10.0.`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.heard(d, "discovery_failed", "its last 2 servers stay")
	s = f.shown(d, "10.0.0.1:80", "10.0.0.3:80 file", "10.0.0.4:80 file")
	if src := s.VirtualServers[0].Discover[0]; src.Reason != "malformed" || src.Servers != 2 || src.FailingSince == nil || src.AgeSeconds == nil || src.Errors["malformed"] == 0 {
		t.Errorf("the source: %+v", src)
	}

	if err := os.RemoveAll(filepath.Join(f.dir, "targets")); err != nil {
		t.Fatal(err)
	}
	f.heard(d, "discovery_failed", "no such file")
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// Without its source, the next start has the last good set.
	d, _ = f.start()
	f.shown(d, "10.0.0.1:80", "10.0.0.3:80 file", "10.0.0.4:80 file")
	p, err := d.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found := p.(plan.Plan).Discovered; len(found) != 1 || len(found[0].Servers) != 2 || found[0].Error == "" {
		t.Errorf("the plan: %+v", found)
	}

	// A source that is exchanged leaves its servers until the new one has answered.
	f.write(strings.ReplaceAll(f.discovered(""), "web*.json", "new*.json"))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = f.shown(d, "10.0.0.1:80", "10.0.0.3:80 file", "10.0.0.4:80 file")
	if !s.VirtualServers[0].Discover[0].Borrowed {
		t.Errorf("the source: %+v", s.VirtualServers[0].Discover)
	}
}

// More than half of the pool does not leave by one answer, and a person is told.
func TestDiscoveryIsHeldAndWarned(t *testing.T) {
	f := newFixture(t)
	f.list("10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "10.0.0.5:80", "10.0.0.6:80")
	f.write(f.discovered(""))
	d, _ := f.start()
	f.list("10.0.0.6:80", "web7.example:80")
	f.shown(d, "10.0.0.1:80", "10.0.0.5:80 file", "10.0.0.6:80 file")
	f.heard(d, "discovery_held", "1 more left than may in one step")
	f.heard(d, "discovery_left_out", "web7.example:80 is left out: it is no address")
	if i := slices.IndexFunc(d.Status().Warnings, func(w api.Warning) bool { return w.Kind == "discovery" && w.Subject == "web" }); i < 0 {
		t.Errorf("nobody is warned: %+v", d.Status().Warnings)
	}
}

// Servers that were written down, and that a source lists from a reload on, stay what they
// are: the reload waits for the first answer, and the pool is never without them.
func TestWrittenServersAreDiscovered(t *testing.T) {
	f := newFixture(t)
	f.list("10.0.0.1:80", "10.0.0.2:80")
	found := f.discovered("")
	f.write(f.global("") + `
virtual_server "web" {
  address      = "192.0.2.200:80"
  health_check "tcp" {}
  real_server "10.0.0.1:80" {}
  real_server "10.0.0.2:80" {}
}
`)
	d, _ := f.start()
	f.shown(d, "10.0.0.1:80", "10.0.0.2:80")
	f.write(found)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.shown(d, "10.0.0.1:80", "10.0.0.2:80 file")
	if got := f.world.noted(); !slices.Equal(got, []string{"director apply", "checks apply", "director apply", "checks apply"}) {
		t.Errorf("there was a pool without the server: %q", got)
	}
}
