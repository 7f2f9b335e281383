package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// effective waits for an effective priority.
func effective(t *testing.T, n *lab.Node, want int) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("%s has priority %d", n.Name, want), func() error {
		s, err := n.Status(t.Context())
		if err != nil {
			return err
		}
		if got := s.Instances[0].EffectivePriority; got != want {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	}))
}

// Scripts, files, interfaces and processes move the priority or hold the instance in fault.
func TestTracking(t *testing.T) {
	l := suite.New(t, "")
	flag, number := filepath.Join(l.A.Dir, "up"), filepath.Join(l.A.Dir, "number")
	process := "tracked" + fmt.Sprint(os.Getpid()%10000)
	labtest.Run(t, l.A, "cp", "/bin/sleep", filepath.Join(l.A.Dir, process))
	start(t, l.A, 150, fmt.Sprintf(`
  track_script "flag" {
    command  = ["/usr/bin/test", "-e", %q]
    interval = "100ms"
    timeout  = "5s"
    weight   = -30
    user     = "root"
  }
  track_file %q { weight = 2 }
  track_interface "eth1" { weight = -40 }
  track_process %q {}
`, flag, number, process))
	labtest.Await(t, l.A, "web", "fault")
	p, err := l.A.Start(process, filepath.Join(l.A.Dir, process), "1000")
	labtest.Must(t, err)
	labtest.Await(t, l.A, "web", "active")
	effective(t, l.A, 120)
	labtest.File(t, l.A, "up", "")
	effective(t, l.A, 150)
	labtest.File(t, l.A, "number", "-10\n")
	effective(t, l.A, 130)
	labtest.Must(t, l.Cut(l.A, "eth1"))
	effective(t, l.A, 90)
	labtest.Must(t, l.Mend(l.A, "eth1"))
	effective(t, l.A, 130)
	labtest.Must(t, p.Kill())
	labtest.Await(t, l.A, "web", "fault")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), false))
}

// An interface that is down for less than interface_down_delay costs an instance nothing,
// while another on it goes into fault and has to win its addresses back.
func TestInterfaceMayBounce(t *testing.T) {
	l := suite.New(t, "")
	start(t, l.A, 255, `
  advert_interval      = "40s"
  interface_down_delay = "60s"
}
vrrp_instance "other" {
  interface         = "eth0"
  virtual_router_id = 99
  virtual_addresses = ["192.168.60.209/24"]
`)
	labtest.Await(t, l.A, "web", "active")
	labtest.Await(t, l.A, "other", "active")
	labtest.Must(t, l.Cut(l.A, "eth0"))
	labtest.Await(t, l.A, "other", "fault")
	s, err := l.A.Status(t.Context())
	labtest.Must(t, err)
	before := s.Instances[0]
	labtest.Must(t, l.Mend(l.A, "eth0"))
	labtest.Await(t, l.A, "other", "active")
	s, err = l.A.Status(t.Context())
	labtest.Must(t, err)
	if now := s.Instances[0]; now.Name != "web" || now.State != "active" || before.State != "active" || now.Transitions != before.Transitions {
		t.Errorf("%+v, and before %+v", now, before)
	}
}

// Notify commands: keepalived's arguments, in order, the stop among them.
func TestNotify(t *testing.T) {
	l := suite.New(t, "")
	log := filepath.Join(l.A.Dir, "told")
	a := start(t, l.A, 150, fmt.Sprintf(`
  notify {
    command = ["/bin/sh", "-c", "echo \"$*\" >> %s", "notify"]
    timeout = "5s"
  }
`, log))
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, a.Stop())
	b, err := os.ReadFile(log)
	labtest.Must(t, err)
	if want := "INSTANCE web BACKUP 150\nINSTANCE web MASTER 150\nINSTANCE web STOP 150\n"; string(b) != want {
		t.Errorf("told %q; want %q", b, want)
	}
	if strings.Contains(a.Tail(200), "not delivered") {
		t.Error("something was not delivered")
	}
}
