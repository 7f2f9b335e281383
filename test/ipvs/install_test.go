package ipvs

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// TestInstallUpgrade: under a live systemd dpkg installs one version and then the
// next, and a connection through IPVS goes on.
func TestInstallUpgrade(t *testing.T) {
	s := prepared(t, "nat")
	machine, err := s.A.Systemd(t.Context())
	labtest.Must(t, err)
	b, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	// This is not about servers that answer late while dpkg keeps an emulated machine
	// busy: taken out, they would take the connection along.
	text := regexp.MustCompile(`fall +=.*`).ReplaceAllString(string(b), "fall = 60")
	labtest.Must(t, os.MkdirAll(machine.Path("/etc/usher"), 0o755))
	labtest.Must(t, os.WriteFile(machine.Path("/etc/usher/web.hcl"), []byte(text), 0o644))
	labtest.Must(t, machine.Install(t.Context(), suite.Root, versions[0]))
	_, err = machine.Run(t.Context(), "systemctl", "start", "usher")
	labtest.Must(t, err)
	labtest.Await(t, s.A, "web", "active")
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))

	before := unchanged(t, s.A)
	talk := s.talk(t)
	labtest.Must(t, machine.Install(t.Context(), suite.Root, versions[1]))
	labtest.Must(t, lab.Until(t.Context(), "the other version runs", func() error {
		status, err := s.A.Status(t.Context())
		if err == nil && status.Version != versions[1] {
			err = fmt.Errorf("it is %q", status.Version)
		}
		return err
	}))
	labtest.Await(t, s.A, "web", "active")
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))
	if now := unchanged(t, s.A); now != before {
		t.Errorf("the upgrade changed IPVS to\n%s\nit was\n%s", now, before)
	}
	answers, pause, err := talk()
	if err != nil {
		t.Errorf("the connection did not outlive the upgrade: %v", err)
	}
	t.Logf("on one connection over the upgrade: %d answers, the longest pause between two %v", answers, pause.Round(time.Millisecond))
}
