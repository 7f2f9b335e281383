package native

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// usher takes over from keepalived 2.2.7 with version 3 and its default checksum,
// and gives way to it, each by priority and by the other's planned stop.
func TestKeepalivedIsBackup(t *testing.T) {
	l := suite.New(t, "")
	peer, err := l.B.Keepalived(100)
	labtest.Must(t, err)
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))

	a := run(t, l.A, 150) // takes over by priority
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))

	within(t, skew, "keepalived's takeover after a planned stop", func() error {
		if err := a.Stop(); err != nil {
			return err
		}
		return l.B.AwaitVIP(t.Context(), true)
	})
	noComplaint(t, peer)
}

func TestKeepalivedIsActive(t *testing.T) {
	l := suite.New(t, "")
	run(t, l.B, 100)
	labtest.Await(t, l.B, "web", "active")

	peer, err := l.A.Keepalived(150)
	labtest.Must(t, err)
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	labtest.Await(t, l.B, "web", "backup") // gives way
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false))
	s, err := l.B.Status(t.Context())
	labtest.Must(t, err)
	if got := s.Instances[0].ActiveRouter; got != lab.AddrA.String() {
		t.Errorf("active router is %q, want %s", got, lab.AddrA)
	}

	within(t, skew, "takeover after keepalived's planned stop", func() error {
		if err := peer.Stop(); err != nil {
			return err
		}
		return l.B.AwaitVIP(t.Context(), true)
	})
	labtest.Await(t, l.B, "web", "active")
	noComplaint(t, peer)
}

// Without an advertised address, as for failover by a command, keepalived sends
// advertisements with Count 0; usher hears them and sends the like.
func TestKeepalivedWithoutVIP(t *testing.T) {
	l := suite.New(t, "")
	peer, err := l.B.KeepalivedFile("-P", "-f", labtest.File(t, l.B, "keepalived.conf", `vrrp_instance web {
	interface eth0
	virtual_router_id 51
	priority 100
	virtual_ipaddress_excluded {
		192.168.60.200/32
	}
}
`))
	labtest.Must(t, err)
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))

	const bare = `
vrrp_instance "web" {
  interface            = "eth0"
  virtual_router_id    = 51
  priority             = %d
  version              = 2
  no_virtual_addresses = true
}
`
	config := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(bare, 50))
	usher := labtest.Start(t, l.A, "-c", config)
	labtest.Must(t, lab.Until(t.Context(), "usher hears keepalived", func() error {
		s, err := l.A.Status(t.Context())
		if err == nil && (len(s.Instances) != 1 || s.Instances[0].State != "backup" || s.Instances[0].ActiveRouter != lab.AddrB.String()) {
			err = fmt.Errorf("it is %+v", s.Instances)
		}
		return err
	}))

	labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(bare, 150))
	labtest.Must(t, usher.Signal(syscall.SIGHUP))
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.B.AwaitVIP(t.Context(), false)) // keepalived hears usher

	labtest.Must(t, usher.Stop())
	labtest.Must(t, l.B.AwaitVIP(t.Context(), true))
	noComplaint(t, peer)
}

// noComplaint checks that keepalived found nothing wrong in what it received.
func noComplaint(t *testing.T, peer *lab.Process) {
	t.Helper()
	for line := range strings.Lines(peer.Tail(1000)) {
		for _, bad := range []string{"invalid", "checksum", "mismatch", "bogus", "wrong", "expected"} {
			if strings.Contains(strings.ToLower(line), bad) {
				t.Errorf("keepalived complains: %s", line)
			}
		}
	}
}
