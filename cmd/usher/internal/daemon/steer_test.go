package daemon_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/plan"
	"usher/director"
	"usher/director/engine"
	"usher/director/ipvstest"
	"usher/healthcheck"
	"usher/healthcheck/bfd"
	"usher/vrrp"
)

func TestSteering(t *testing.T) {
	f := newFixture(t)
	d, stop := f.start()
	client := api.Socket(f.socket())
	post := func(path string, in any) error { return client.Post(t.Context(), path, in, nil) }
	err := post("/api/v1/disable", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80"})
	if err == nil || !strings.Contains(err.Error(), "10.0.0.1:80 is the last: new connections are refused") || !strings.Contains(err.Error(), "usher disable --force") {
		t.Errorf("the last server is disabled: %v", err)
	}
	n := 7
	for _, err := range []error{
		post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", ForSeconds: 7200, Reason: "new disk"}),
		post("/api/v1/weight", api.Steer{VirtualServer: "web", RealServer: "10.0.0.2:80", Weight: &n}),
		post("/api/v1/disable", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", Force: true}),
		post("/api/v1/failover", api.Name{Instance: "edge"}),
		post("/api/v1/maintenance", api.Switch{On: true}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"override web 10.0.0.1:80 drain", "override web 10.0.0.2:80 weight", "override web 10.0.0.1:80 disable", "failover edge", "maintenance on"}
	if got := f.world.noted()[3:]; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if o := f.world.over[0]; o.By == "" || o.Reason != "new disk" || o.Until.Sub(o.Since) != 2*time.Hour {
		t.Errorf("nobody, no end or no reason is named: %+v", o)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{post("/api/v1/drain", api.Steer{VirtualServer: "wep", RealServer: "10.0.0.1:80"}), `there is no virtual server "wep"; there is web`},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.9:80"}), `there is no real server of web "10.0.0.9:80"; there is 10.0.0.1:80, 10.0.0.2:80`},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "nine"}), "is no address:port"},
		{post("/api/v1/enable", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", ForSeconds: 7}), "neither an end nor a reason"},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", ForSeconds: -7}), "is not in 1..31622400"},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", Reason: "a\nb"}), "not one line of printable characters"},
		{post("/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", Reason: strings.Repeat("a", 201)}), "longer than 200"},
		{post("/api/v1/failover", api.Name{Instance: "x"}), `there is no instance "x"; there is edge`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
	if !d.Status().Maintenance {
		t.Error("maintenance does not show")
	}

	// It outlives the process.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.world, f.parts = newWorld(), daemon.Components{}
	f.start()
	if got := f.world.noted(); !slices.Contains(got, "maintenance on") {
		t.Errorf("after a restart: %q", got)
	}
}

// tracked waits until VRRP was told what is wanted of one thing that an instance tracks. It
// may be told what it knows once more before that: whatever changes has everything told.
func (f *fixture) tracked(what string, want func(vrrp.Adjustment) bool) {
	f.t.Helper()
	patience, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for {
		select {
		case got := <-f.world.activated:
			f.world.mu.Lock()
			told := f.world.tracks[what]
			f.world.mu.Unlock()
			if got == what && want(told) {
				return
			}
		case <-patience.Done():
			f.world.mu.Lock()
			defer f.world.mu.Unlock()
			f.t.Fatalf("VRRP was told of %s: %+v", what, f.world.tracks[what])
		}
	}
}

// TestTrackedVirtualServer: quorum reaches VRRP, and VRRP's state the director.
func TestTrackedVirtualServer(t *testing.T) {
	f := newFixture(t)
	f.start()
	f.tracked("edge virtual_server/web", func(a vrrp.Adjustment) bool {
		return a.Weight == -20 && !a.Fault && strings.Contains(a.Reason, "virtual_server web is down")
	})
	f.world.mu.Lock()
	f.world.up["web"] = true
	f.world.mu.Unlock()
	f.world.directorEvents(director.Event{Kind: director.EventQuorum, VirtualServer: "web", From: "down", To: "up"})
	f.tracked("edge virtual_server/web", func(a vrrp.Adjustment) bool { return a.Weight == 0 && !a.Fault })
	f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: "edge", From: vrrp.Backup, To: vrrp.Active})
	f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: "edge", From: vrrp.Active, To: vrrp.Backup})
	f.world.hooks.Results(healthcheck.Update{ID: healthcheck.ID{VirtualServer: "web"}})
	if got := f.world.noted()[3:]; !slices.Equal(got, []string{"active edge", "backup edge", "health web"}) {
		t.Errorf("got %q", got)
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if want := []string{"web up", "edge active", "edge backup"}; !slices.Equal(f.world.told, want) {
		t.Errorf("alerts were told %q, want %q", f.world.told, want)
	}
}

// TestTrackedBFD: a session's state reaches the instance that tracks it, and a
// session that leaves the configuration is forgotten.
func TestTrackedBFD(t *testing.T) {
	f := newFixture(t)
	peer := "bfd \"core\" {\n  address = \"192.0.2.9\"\n}\n"
	f.write(f.global("") + peer + strings.Replace(instanceOn("eth0"), `track_virtual_server "web" { weight = -20 }`, `track_bfd "core" { weight = 0 }`, 1))
	d, _ := f.start()
	f.world.mu.Lock()
	w := f.world.watched["192.0.2.9"]
	f.world.mu.Unlock()
	if w.id < 1<<32 {
		t.Fatalf("session %d is one of the health checks'", w.id)
	}
	for _, c := range []struct {
		change bfd.Change
		fault  bool
	}{{bfd.Change{State: bfd.Down, Reason: "detection time expired"}, true}, {bfd.Change{State: bfd.Up}, false}} {
		w.report(c.change)
		f.tracked("edge bfd/core", func(a vrrp.Adjustment) bool {
			return a.Fault == c.fault && strings.Contains(a.Reason, c.change.Reason)
		})
	}
	f.write(f.global("") + strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`, "", 1))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if len(f.world.watched) != 0 {
		t.Error("the session runs on")
	}
}

// TestUnanswered: what IPVS shows reaches a passive check, and is not counted where
// there is none.
func TestUnanswered(t *testing.T) {
	f := newFixture(t)
	f.write(f.global("") + strings.Replace(pool("web"), `health_check "tcp" {}`, `health_check "tcp" {}`+"\n  health_check \"passive\" { threshold = 2 }", 1))
	f.start()
	if got := <-f.world.activated; got != "unanswered 10.0.0.1:80 3" {
		t.Errorf("the check was told %q", got)
	}
}

// TestPlanForADaemonElsewhere: a configuration for another control socket and state
// folder is compared with what the daemon runs that is named.
func TestPlanForADaemonElsewhere(t *testing.T) {
	f := newFixture(t)
	router := strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`, "", 1)
	f.write(f.global("") + router)
	f.start()
	next := filepath.Join(t.TempDir(), "next.hcl")
	text := strings.ReplaceAll(f.global(""), f.dir, "/nonexistent") + strings.Replace(router, "  virtual_router_id", "  priority = 150\n  virtual_router_id", 1)
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "+ instance edge"},
		{[]string{"--control", f.socket()}, "~ instance edge: priority 100 -> 150"},
	} {
		if out := command(t.Context(), append([]string{"plan", "-c", next}, tc.args...)...); !strings.Contains(out, tc.want) {
			t.Errorf("usher plan %v does not say %q:\n%s", tc.args, tc.want, out)
		}
	}
}

// TestPlanWithTheDaemonsVariables: a plan made by hand reads the files as the daemon does,
// with its --var and its environment; what is given by hand wins. The values, which may
// be secrets, are for those alone who may steer.
func TestPlanWithTheDaemonsVariables(t *testing.T) {
	f := newFixture(t)
	router := strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`, "  priority = var.priority\n  lease = var.lease", 1)
	f.write("variable \"priority\" {}\nvariable \"lease\" { default = \"2s\" }\n" + f.global("") + router)
	f.vars = map[string]string{"priority": "150"}
	t.Setenv("USHER_VAR_lease", "1s")
	f.start()
	// By hand the environment is another one.
	theirs := api.Variables{}
	if err := api.Socket(f.socket()).Get(t.Context(), "/api/v1/variables", &theirs); err != nil {
		t.Fatal(err)
	}
	if theirs.Given["priority"] != "150" || theirs.Environment["lease"] != "1s" {
		t.Errorf("the daemon's variables are %+v", theirs)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "No change"},
		{[]string{"--var", "priority=100"}, "~ instance edge: priority 150 -> 100"},
		{[]string{"--var", "lease=3s"}, "~ instance edge: lease 1s -> 3s"},
	} {
		if out := command(t.Context(), append([]string{"plan", "-c", f.file, "--control", f.socket()}, tc.args...)...); !strings.Contains(out, tc.want) {
			t.Errorf("usher plan %v does not say %q:\n%s", tc.args, tc.want, out)
		}
	}
}

// TestPlanOfTheFirstVirtualServer: a daemon that has had none says what a reload would
// add, as any other does, and the reload adds it.
func TestPlanOfTheFirstVirtualServer(t *testing.T) {
	f := newFixture(t)
	kernel := ipvstest.New()
	f.parts = f.world.parts()
	f.parts.Director = func(state string, events func(director.Event)) (daemon.Director, error) {
		return engine.New(engine.Options{Kernel: kernel, State: state, Events: events}), nil
	}
	router := strings.Replace(instanceOn("eth0"), `  track_virtual_server "web" { weight = -20 }`, "", 1)
	f.write(f.global("") + router)
	d, _ := f.start()
	client := api.Socket(f.socket())
	planned := func() plan.Plan {
		t.Helper()
		var p plan.Plan
		if err := client.Post(t.Context(), "/api/v1/plan", nil, &p); err != nil || p.IPVS.Changes == nil {
			t.Fatalf("%+v, %v", p, err)
		}
		return p
	}
	if p := planned(); !p.Empty() {
		t.Errorf("nothing has changed, and the plan is\n%s", p)
	}
	f.write(f.global("") + router + pool("web"))
	for range 2 {
		if p := planned(); !strings.Contains(p.String(), "+ service wlc") {
			t.Errorf("the plan is\n%s", p)
		}
	}
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if table, err := kernel.Read(); err != nil || len(table) != 1 {
		t.Errorf("the kernel has %v, %v", table, err)
	}
	if p := planned(); strings.Contains(p.String(), "+ service") || len(p.VRRP) > 0 {
		t.Errorf("after the reload the plan is\n%s", p)
	}
}

// TestMaintenanceThatIsNotConfirmed: what was asked for holds for the VRRP process and
// for a restart, whatever became of the answer, and so the status says it.
func TestMaintenanceThatIsNotConfirmed(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	f.world.mu.Lock()
	f.world.silent = errors.New("no answer within 5s")
	f.world.mu.Unlock()
	if _, err := d.Maintenance(t.Context(), api.Switch{On: true}, "root"); err == nil {
		t.Error("nobody is told")
	}
	if !d.Status().Maintenance {
		t.Error("the status does not say that maintenance is on")
	}
}

// TestMaintenanceWithoutStateFolder: a director whose disk is gone or full is one to
// leave, so it can be; that a restart forgets it is in the answer and in the status.
func TestMaintenanceWithoutStateFolder(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	if err := os.Rename(f.state(), f.state()+".gone"); err != nil {
		t.Fatal(err)
	}
	warned := func() bool {
		return slices.ContainsFunc(d.Status().Warnings, func(w api.Warning) bool {
			return w.Kind == "state" && strings.Contains(w.Text, "a restart would")
		})
	}
	text, err := d.Maintenance(t.Context(), api.Switch{On: true, Force: true}, "root")
	if err != nil || !strings.Contains(text, "maintenance on") || !strings.Contains(text, "a restart would end it") {
		t.Errorf("%q, %v", text, err)
	}
	if !d.Status().Maintenance || !warned() {
		t.Errorf("maintenance is %t: %+v", d.Status().Maintenance, d.Status().Warnings)
	}
	if err := os.Rename(f.state()+".gone", f.state()); err != nil {
		t.Fatal(err)
	}
	if text, err := d.Maintenance(t.Context(), api.Switch{}, "root"); err != nil || text != "maintenance off" || warned() {
		t.Errorf("%q, %v: %+v", text, err, d.Status().Warnings)
	}
}

// TestStateFolderOfOthers: what others can write is not believed, and no file is made
// through a link.
func TestStateFolderOfOthers(t *testing.T) {
	f := newFixture(t)
	fails := func(want string) {
		t.Helper()
		if err := f.daemon().Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
	if err := errors.Join(os.Mkdir(f.state(), 0o750), os.Chmod(f.state(), 0o770)); err != nil {
		t.Fatal(err)
	}
	fails("chmod go-w " + f.state())
	target := filepath.Join(f.dir, "target")
	if err := errors.Join(os.Chmod(f.state(), 0o750), os.Symlink(target, filepath.Join(f.state(), "lock"))); err != nil {
		t.Fatal(err)
	}
	fails("is a symbolic link")
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file that the link names was made: %v", err)
	}
}

// TestPlanSaysWhatIsInTheWay: what `usher plan` has against a configuration on this
// machine, and on this network, the API has as well.
func TestPlanSaysWhatIsInTheWay(t *testing.T) {
	f := newFixture(t)
	f.machine.Addresses = func(state string) ([]vrrp.LocalAddress, error) {
		if state != f.state() {
			t.Errorf("addresses of usher's own are looked up in %q", state)
		}
		return []vrrp.LocalAddress{{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.201/24")}}, nil
	}
	f.start()
	signed := strings.TrimSuffix(instanceOn("eth0"), "}\n") + `
  authentication {
    type       = "hmac"
    active_key = 1
    key "1" {
      secret = "a secret of thirty-two bytes, and more"
    }
  }
}
`
	away := `
vrrp_instance "away" {
  interface         = "eth7"
  virtual_router_id = 52
  virtual_addresses = ["192.0.2.202/32"]
}
vrrp_instance "taken" {
  interface         = "eth0"
  virtual_router_id = 53
  virtual_addresses = ["192.0.2.201/32"]
}
`
	f.write(f.global("") + signed + away + pool("web"))
	var p plan.Plan
	if err := api.Socket(f.socket()).Post(t.Context(), "/api/v1/plan", nil, &p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"! instance away would be in fault: interface eth7 is not there",
		"! instance taken would be in fault: 192.0.2.201/24 is on eth0 already",
		"! instance edge: directors that do not have the keys yet discard what this one signs",
	} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, p)
		}
	}
}
