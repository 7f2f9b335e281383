package native

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// skew and down are RFC 9568 section 6.1's Skew_Time and Active_Down_Interval of a
// backup of priority 100 at adverts of one second, and slack is what a busy
// machine may add.
const (
	skew  = 610 * time.Millisecond
	down  = 3*time.Second + skew
	slack = 2 * time.Second
)

// pair starts a of priority 150 and b of priority 100, and waits until a is active.
func pair(t *testing.T) (l *lab.Lab, a, b *lab.Process) {
	t.Helper()
	l = suite.New(t, "")
	a = run(t, l.A, 150)
	b = run(t, l.B, 100)
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.B, "web", "backup")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
	return l, a, b
}

// within runs the wait and checks how long it took.
func within(t *testing.T, bound time.Duration, what string, wait func() error) {
	t.Helper()
	start := time.Now()
	labtest.Must(t, wait())
	if took := time.Since(start); took > bound+slack {
		t.Errorf("%s took %s, bound %s", what, took, bound)
	}
}

// RFC 9568 section 6.4.3, (665): on shutdown the active router sends priority 0,
// and the backup takes over after Skew_Time.
func TestPlannedStop(t *testing.T) {
	l, a, _ := pair(t)
	within(t, skew, "takeover after a planned stop", func() error {
		if err := a.Stop(); err != nil {
			return err
		}
		if held, err := l.A.Holds(lab.VIP.String()); held || err != nil {
			t.Errorf("after its end a still holds the VIP: %t, %v", held, err)
		}
		return l.B.AwaitVIP(t.Context(), true)
	})
	labtest.Await(t, l.B, "web", "active")
	if code := a.ExitCode(); code != 0 {
		t.Errorf("exit status %d after SIGTERM", code)
	}
	run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.B, "web", "backup")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
}

// The parent is killed: its child sees the end of their socket and resigns.
func TestKilledParent(t *testing.T) {
	l, a, _ := pair(t)
	within(t, down, "takeover after SIGKILL", func() error {
		if err := a.Kill(); err != nil {
			return err
		}
		return l.B.AwaitVIP(t.Context(), true)
	})
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	run(t, l.A, 150)
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
}

// A pulled cable: each side alone. The cut-off one is in fault, not active.
func TestCutAndMend(t *testing.T) {
	l, _, _ := pair(t)
	labtest.Must(t, l.Cut(l.A, "eth0"))
	labtest.Await(t, l.A, "web", "fault")
	labtest.Await(t, l.B, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
	labtest.Must(t, l.Mend(l.A, "eth0"))
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.B, "web", "backup")
}

// What the status says and what iproute2 shows are the same.
func TestStatusShowsWhatIsThere(t *testing.T) {
	l, _, _ := pair(t)
	s, err := l.A.Status(t.Context())
	labtest.Must(t, err)
	is := s.Instances[0]
	if is.State != "active" || is.EffectivePriority != 150 || is.VirtualRouterID != 51 || is.Interface != "eth0" {
		t.Errorf("status of a: %+v", is)
	}
	if !strings.Contains(labtest.Run(t, l.A, "ip", "-4", "address", "show", "dev", "eth0"), "192.168.60.200/32") {
		t.Error("ip address on a does not show the VIP")
	}
	labtest.Must(t, lab.Until(t.Context(), "b has heard a", func() error {
		s, err := l.B.Status(t.Context())
		if err == nil && s.Instances[0].ActiveRouter != lab.AddrA.String() {
			err = fmt.Errorf("b takes %q for the active router, want %s", s.Instances[0].ActiveRouter, lab.AddrA)
		}
		return err
	}))
	table, err := l.A.Usher(t.Context(), "status")
	labtest.Must(t, err)
	for _, want := range []string{"web", "active", "150"} {
		if !strings.Contains(table, want) {
			t.Errorf("`usher status` does not show %q:\n%s", want, table)
		}
	}
}

// Somebody removes the VIP by hand: it is put back, without a failover.
func TestRemovedAddressComesBack(t *testing.T) {
	l, _, _ := pair(t)
	before, err := l.A.Status(t.Context())
	labtest.Must(t, err)
	labtest.Must(t, l.A.IP(t.Context(), "address", "del", "192.168.60.200/32", "dev", "eth0"))
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	after, err := l.A.Status(t.Context())
	labtest.Must(t, err)
	if b, a := before.Instances[0].Transitions, after.Instances[0].Transitions; b != a {
		t.Errorf("transitions went from %d to %d", b, a)
	}
}
