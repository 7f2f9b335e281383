package notify

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/conf"
	"usher/director"
	"usher/vrrp"
)

// configured gives a configuration with one of everything.
func configured(instance, server, global conf.Alerts) *conf.Config {
	return &conf.Config{
		Global:         conf.Global{RouterID: "lb1", Alerts: global},
		Instances:      []conf.Instance{{Config: vrrp.Config{Name: "web"}, Alerts: instance}},
		Groups:         []conf.Group{{Group: vrrp.Group{Name: "edge"}, Alerts: instance}},
		VirtualServers: []conf.VirtualServer{{VirtualServer: director.VirtualServer{Name: "www"}, Alerts: server}},
	}
}

// run starts a notifier and gives what ends it.
func run(t *testing.T, n *Notifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// awaitText waits until a file has some text in it.
func awaitText(t *testing.T, file, text string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(30 * time.Second)
	for {
		if b, _ := os.ReadFile(file); strings.Contains(string(b), text) {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("no %q in %s within 30 s", text, file)
		}
	}
}

func state(name string, from, to vrrp.State) vrrp.Event {
	return vrrp.Event{Time: time.Unix(1, 0), Instance: name, Kind: vrrp.EventState, From: from, To: to, Priority: 150, Reason: "because"}
}

// TestCommands: the arguments of keepalived's scripts, in order, one at a time, and
// what was told last before the end, even if it takes a while.
func TestCommands(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	script := `echo "begin $*" >>` + log + `; sleep 0.05; echo "end $USHER_STATE $USHER_PREVIOUS $USHER_ROUTER_ID $USHER_REASON" >>` + log
	all := conf.Notify{Command: []string{"/bin/sh", "-c", script, "notify"}, Timeout: 5 * time.Second,
		On: []string{"active", "backup", "fault", "stop", "split_brain", "up", "down", "server_up", "server_down"}}
	alerts := conf.Alerts{Notify: []conf.Notify{all}}
	n := New(Options{Run: program})
	if err := n.Apply(configured(alerts, alerts, conf.Alerts{})); err != nil {
		t.Fatal(err)
	}
	stop := run(t, n)
	n.VRRP(state("web", vrrp.Initialize, vrrp.Backup))
	n.VRRP(state("web", vrrp.Backup, vrrp.Active))
	n.VRRP(vrrp.Event{Instance: "web", Kind: vrrp.EventPriority, Priority: 20}) // not a change of state
	n.VRRP(vrrp.Event{Instance: "web", Kind: vrrp.EventSplitBrain, Peer: netip.MustParseAddr("192.0.2.7"), Priority: 150, Reason: "two"})
	n.VRRP(state("web", vrrp.Active, vrrp.Fault))
	n.VRRP(state("web", vrrp.Fault, vrrp.Initialize))
	n.VRRP(state("nobody", vrrp.Backup, vrrp.Active))
	awaitText(t, log, "end fault")
	stop()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := `begin INSTANCE web BACKUP 150
end backup stop lb1 because
begin INSTANCE web MASTER 150
end active backup lb1 because
begin INSTANCE web SPLIT_BRAIN 150
end split_brain  lb1 two
begin INSTANCE web FAULT 150
end fault active lb1 because
begin INSTANCE web STOP 150
end stop fault lb1 because
`
	if string(b) != want {
		t.Errorf("log:\n%s\nwant:\n%s", b, want)
	}
}

func TestGroupsAndServers(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	cmd := func(on ...string) conf.Alerts {
		return conf.Alerts{Notify: []conf.Notify{{Command: []string{"/bin/sh", "-c", `echo "$*" >>` + log, "x"}, On: on, Timeout: 5 * time.Second}}}
	}
	n := New(Options{Run: program})
	if err := n.Apply(configured(cmd("active"), cmd("down", "server_down"), conf.Alerts{})); err != nil {
		t.Fatal(err)
	}
	stop := run(t, n)
	n.VRRP(vrrp.Event{Group: "edge", Kind: vrrp.EventState, From: vrrp.Backup, To: vrrp.Active, Priority: 9})
	stop()
	n2 := New(Options{Run: program})
	if err := n2.Apply(configured(cmd("active"), cmd("down", "server_down"), conf.Alerts{})); err != nil {
		t.Fatal(err)
	}
	stop = run(t, n2)
	rs := netip.MustParseAddrPort("10.1.2.3:80")
	n2.Director(director.Event{Kind: director.EventServer, VirtualServer: "www", RealServer: rs, From: "initial", To: "up"}) // not asked for
	n2.Director(director.Event{Kind: director.EventServer, VirtualServer: "www", RealServer: rs, From: "up", To: "down"})
	n2.Director(director.Event{Kind: director.EventServer, VirtualServer: "www", RealServer: rs, From: "draining", To: "disabled"}) // down before, and still
	n2.Director(director.Event{Kind: director.EventQuorum, VirtualServer: "www", From: "up", To: "down"})
	n2.Director(director.Event{Kind: director.EventDrift, VirtualServer: "www"})
	stop()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if want := "GROUP edge MASTER 0\nRS 10.1.2.3:80 DOWN 0 www\nVS www DOWN 0\n"; string(b) != want {
		t.Errorf("log:\n%s\nwant:\n%s", b, want)
	}
}

func TestGlobalAlertsHearOfAll(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	global := conf.Alerts{Notify: []conf.Notify{{Command: []string{"/bin/sh", "-c", `echo "$1 $2" >>` + log, "x"}, On: []string{"active"}, Timeout: 5 * time.Second}}}
	n := New(Options{Run: program})
	if err := n.Apply(configured(conf.Alerts{}, conf.Alerts{}, global)); err != nil {
		t.Fatal(err)
	}
	stop := run(t, n)
	n.VRRP(state("web", vrrp.Backup, vrrp.Active))
	stop()
	if b, err := os.ReadFile(log); err != nil || string(b) != "INSTANCE web\n" {
		t.Errorf("log %q, %v", b, err)
	}
}

func TestApplyTellsWhatCannotBeUsed(t *testing.T) {
	bad := conf.Alerts{
		Webhooks: []conf.Webhook{{URL: "https://example.org/", CAFile: "/nowhere/ca.pem"}},
		Emails:   []conf.Email{{Server: "no-port"}},
	}
	err := New(Options{Run: program}).Apply(configured(bad, conf.Alerts{}, bad))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"INSTANCE web webhook: open /nowhere/ca.pem", `INSTANCE web email: server "no-port"`, "global webhook: open"} {
		if n := strings.Count(err.Error(), want); n != 1 {
			t.Errorf("%q is told %d times in:\n%v", want, n, err)
		}
	}
}

// program runs the program of a command, as far as these tests need it.
func program(ctx context.Context, args []string, _ string, env []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return cmd.Run()
}
