package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// succession is a way for the active director's processes to end.
type succession struct {
	name string
	end  func(parent, child int) error
	// resigns says that the peer has to hear a resignation: the processes that are
	// left can send it at once.
	resigns bool
}

func send(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

var successions = []succession{
	{"child killed", func(_, child int) error { return send(child, syscall.SIGKILL) }, true},
	{"parent killed", func(parent, _ int) error { return send(parent, syscall.SIGKILL) }, true},
	{"both killed", func(parent, child int) error {
		return errors.Join(send(parent, syscall.SIGKILL), send(child, syscall.SIGKILL))
	}, true},
	{"parent stopped, child killed", func(parent, child int) error {
		return errors.Join(send(parent, syscall.SIGSTOP), send(child, syscall.SIGKILL))
	}, true},
	{"parent stopped, both killed", func(parent, child int) error {
		return errors.Join(send(parent, syscall.SIGSTOP), send(child, syscall.SIGKILL), send(parent, syscall.SIGKILL))
	}, true},
	{"child stopped, parent killed", func(parent, child int) error {
		return errors.Join(send(child, syscall.SIGSTOP), send(parent, syscall.SIGKILL))
	}, false},
}

// TestCrashCostsSkewTime: whatever ends of the active director's processes, its peer
// takes over as after a planned stop, within Skew_Time, and no VIP is on both: one of
// IPv4, by multicast or unicast, one of IPv6 and one with a virtual MAC.
func TestCrashCostsSkewTime(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond} {
		for _, bind := range []string{"address", "local_route"} {
			for _, s := range successions {
				t.Run(fmt.Sprintf("%v %s %s", interval, bind, s.name), func(t *testing.T) {
					problems := s.run(t, interval, bind)
					for more := attempts - 1; more > 0 && len(problems) > 0; more-- {
						t.Logf("once more, since %s", strings.Join(problems, "; "))
						t.Run("again", func(t *testing.T) { problems = s.run(t, interval, bind) })
					}
					for _, p := range problems {
						t.Error(p)
					}
				})
			}
		}
	}
}

// attempts is how often a crash may be tried: what usher costs it costs each time, what else a
// machine does at that moment is not there again.
const attempts = 3

// loaded is what a loaded machine may add to what the protocol gives, at the most, and
// calm what any may.
const loaded, calm = 250 * time.Millisecond, 30 * time.Millisecond

// measureLateness measures by how much this machine is late with what is due, at the worst, until
// it is asked.
func measureLateness() (worst func() time.Duration) {
	quit, done := make(chan struct{}), make(chan time.Duration)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		worst, last := time.Duration(0), time.Now()
		for {
			select {
			case <-quit:
				done <- worst
				return
			case <-tick.C:
			}
			now := time.Now()
			worst, last = max(worst, now.Sub(last)-time.Millisecond), now
		}
	}()
	return func() time.Duration {
		close(quit)
		return <-done
	}
}

// routers are what the active director of a crash does, beside each other: each has its way
// to hold an address. Where there is a virtual MAC no address can be a local route.
var routers = []struct {
	name, bind string // "" for both
	vip        netip.Addr
	text       string
}{
	{"web", "", lab.VIP, ""},
	{"six", "", netip.MustParseAddr("fd00:60::200"), "virtual_router_id = 52\n  virtual_addresses = [\"fe80::60:200\", \"fd00:60::200\"]\n"},
	{"mac", "address", netip.MustParseAddr("192.168.60.210"), "virtual_router_id = 53\n  virtual_addresses = [\"192.168.60.210/32\"]\n  virtual_mac = true\n"},
}

// run has it happen, and says what took longer than the protocol allows.
func (s succession) run(t *testing.T, interval time.Duration, bind string) (problems []string) {
	l := suite.New(t, "")
	more := func(own, peer, priority int) string {
		common := fmt.Sprintf("  advert_interval = %q\n  bind = %q\n", interval, bind)
		text := common
		if interval == 100*time.Millisecond { // the one way of adverts here, the other there
			text += fmt.Sprintf("  unicast {\n    source = \"192.168.60.%d\"\n    peers  = [\"192.168.60.%d\"]\n  }\n", own, peer)
		}
		for _, r := range routers[1:] {
			if r.bind == "" || r.bind == bind {
				text += fmt.Sprintf("}\nvrrp_instance %q {\n  interface = \"eth0\"\n  priority = %d\n  %s%s", r.name, priority, r.text, common)
			}
		}
		return text
	}
	watched := map[string]*holding{}
	a := start(t, l.A, 150, more(2, 3, 150))
	for _, r := range routers {
		if r.bind == "" || r.bind == bind {
			watched[r.name] = watch(t, l, r.vip)
			labtest.Await(t, l.A, r.name, "active")
		}
	}
	start(t, l.B, 100, more(3, 2, 100))
	for name, h := range watched {
		labtest.Await(t, l.B, name, "backup")
		labtest.Must(t, h.await(t, "a holds the VIP of "+name, func(turns []turn) bool { return holders(turns) == l.A.Name }))
	}
	vrrp := child(t, a)
	late := measureLateness()
	began := time.Now()
	labtest.Must(t, s.end(a.PID(), vrrp))
	for _, r := range routers {
		if h := watched[r.name]; h != nil {
			labtest.Must(t, h.await(t, "the VIP of "+r.name+" is on a director again", func([]turn) bool {
				_, _, successor := h.since(began)
				return successor != ""
			}))
			labtest.Must(t, lab.Until(t.Context(), "the VIP of "+r.name+" is on one director alone", func() error { return alone(l, r.vip) }))
		}
	}
	worst := late()
	for _, r := range routers {
		if h := watched[r.name]; h != nil {
			problems = append(problems, s.judge(t, l, r.name, h, interval, began, worst)...)
		}
	}
	return problems
}

// judge compares what became of one VIP with what the protocol allows.
func (s succession) judge(t *testing.T, l *lab.Lab, name string, h *holding, interval time.Duration, began time.Time, worst time.Duration) (problems []string) {
	skew := interval * 156 / 256
	none, both, successor := h.since(began)
	t.Logf("%s after %s at adverts of %v: on none for %v, on both for %v, then on %s; Skew_Time is %v; this machine was late by %v", name, s.name, interval, none, both, successor, skew, worst)
	bound := skew
	if !s.resigns {
		bound = 3*interval + skew
	}
	allowed := loaded
	if s.resigns {
		allowed = min(loaded, calm+3*worst)
	}
	if none > bound+allowed {
		problems = append(problems, fmt.Sprintf("the VIP of %s was on no director for %v, want %v at most, and %v for this machine", name, none, bound, allowed))
	}
	if both > allowed {
		problems = append(problems, fmt.Sprintf("the VIP of %s was on both directors for %v, want %v at most for this machine", name, both, allowed))
	}
	if s.resigns && successor == l.B.Name && interval > loaded {
		// At shorter adverts a machine under load can be late with the end of a process.
		takeovers(t, l.B, name, "resigned")
	}
	return problems
}

// takeovers checks why an instance of a director became active, each time that it did.
func takeovers(t *testing.T, n *lab.Node, instance string, reasons ...string) {
	t.Helper()
	out, err := n.Usher(t.Context(), "events", "--json")
	labtest.Must(t, err)
	var told []string
	for line := range strings.Lines(out) {
		var e struct{ Instance, To, Reason string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Instance == instance && e.To == "active" {
			told = append(told, e.Reason)
		}
	}
	if !slices.EqualFunc(told, reasons, strings.Contains) {
		t.Errorf("%s of %s became active because of %q, want %q", instance, n.Name, told, reasons)
	}
}

// TestCrashWithoutPeer: where nobody takes over, the process that is started in place of
// the killed one does, Skew_Time after the resignation.
func TestCrashWithoutPeer(t *testing.T) {
	l := suite.New(t, "")
	a := start(t, l.A, 150, "startup_delay = \"5s\"\n")
	labtest.Await(t, l.A, "web", "active")
	h := watchVIP(t, l)
	labtest.Must(t, h.await(t, "a holds the VIP", func(turns []turn) bool { return holders(turns) == l.A.Name }))
	began := time.Now()
	labtest.Must(t, send(child(t, a), syscall.SIGKILL))
	labtest.Must(t, h.await(t, "the VIP is back", func(turns []turn) bool { return len(turns) == 3 }))
	none, _, _ := h.since(began)
	t.Logf("on none for %v, Skew_Time is %v; a start of the process is in it", none, time.Second*106/256)
	takeovers(t, l.A, "web", "heard no other director", "resigned")
}

// guardOf gives the process id of a director's guard, other than one.
func guardOf(t *testing.T, p *lab.Process, other int) (pid int) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), p.Name+" has a guard", func() error {
		for _, pid = range lab.Guards(p.PID()) {
			if pid != other {
				return nil
			}
		}
		return errors.New("no guard")
	}))
	return pid
}

// TestGuardIsReplaced: a guard that is killed has a successor, which knows what the VRRP
// process holds; and neither survives the daemon.
func TestGuardIsReplaced(t *testing.T) {
	l := suite.New(t, "")
	more := "advert_interval = \"100ms\"\n  bind = \"local_route\"\n"
	debug := "}\nglobal {\n  log {\n    level = \"debug\"\n  }\n"
	a := start(t, l.A, 150, more+debug)
	labtest.Await(t, l.A, "web", "active")
	start(t, l.B, 100, more)
	labtest.Await(t, l.B, "web", "backup")
	first := guardOf(t, a, 0)
	labtest.Must(t, send(first, syscall.SIGTERM)) // it is not heard
	labtest.Must(t, send(first, syscall.SIGKILL))
	second := guardOf(t, a, first)
	labtest.Must(t, lab.Until(t.Context(), "the second guard knows what is held", func() error {
		if _, after, _ := strings.Cut(a.Tail(1000), "the guard of the VRRP process died"); strings.Contains(after, "the guard has a last will") {
			return nil
		}
		return errors.New("no word of it")
	}))
	h := watchVIP(t, l)
	labtest.Must(t, h.await(t, "a holds the VIP", func(turns []turn) bool { return holders(turns) == l.A.Name }))
	// Whoever kills a daemon with all its children does not find the guard among them.
	family := lab.Descendants(a.PID())
	if !slices.Contains(family, child(t, a)) || slices.Contains(family, second) {
		t.Errorf("descendants of the daemon are %v, the VRRP process is %d, the guard %d", family, child(t, a), second)
	}
	labtest.Must(t, send(a.PID(), syscall.SIGSTOP))
	for _, pid := range family {
		labtest.Must(t, send(pid, syscall.SIGKILL))
	}
	labtest.Must(t, a.Kill())
	labtest.Must(t, h.await(t, "the VIP is on b", func(turns []turn) bool { return len(turns) == 3 && turns[2].node == l.B.Name }))
	labtest.Must(t, lab.Until(t.Context(), "the guard has ended", func() error {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", second)); err == nil && len(line) > 0 {
			return fmt.Errorf("%q runs", line)
		}
		return nil
	}))
}
