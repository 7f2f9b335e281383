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

// group is two routers on two networks, which go together.
const group = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = %[1]d
  virtual_addresses = ["192.168.60.200/32"]
}

vrrp_instance "gateway" {
  interface         = "eth1"
  virtual_router_id = 52
  priority          = %[1]d
  virtual_addresses = ["10.1.0.1/16"]
}

vrrp_sync_group "edge" {
  instances = ["web", "gateway"]
  notify {
    command = ["/bin/sh", "-c", "echo \"$*\" >> %[2]s", "notify"]
    timeout = "5s"
  }
}
`

// TestSyncGroup: all instances of a group are active on one director, or none: at the
// start, when one of them is cut off, when it is back, and after a handover of one.
func TestSyncGroup(t *testing.T) {
	l := suite.New(t, "")
	start := func(n *lab.Node, priority int) *lab.Process {
		return labtest.Start(t, n, "-c", labtest.File(t, n, "usher.hcl", fmt.Sprintf(group, priority, filepath.Join(n.Dir, "told"))))
	}
	both := func(n *lab.Node, state string) {
		t.Helper()
		labtest.Await(t, n, "web", state)
		labtest.Await(t, n, "gateway", state)
		want := state == "active"
		labtest.Must(t, n.AwaitVIP(t.Context(), want))
		labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("%s holds the gateway's address: %t", n.Name, want), func() error {
			if have, err := n.Holds(lab.BackVIP.String()); err != nil || have != want {
				return fmt.Errorf("it is %t, %v", have, err)
			}
			return nil
		}))
	}
	a := start(l.A, 150)
	both(l.A, "active")
	start(l.B, 100)
	both(l.B, "backup")
	labtest.Must(t, l.Cut(l.A, "eth1"))
	both(l.A, "fault")
	both(l.B, "active")
	labtest.Must(t, l.Mend(l.A, "eth1"))
	both(l.A, "active")
	both(l.B, "backup")
	usher(t, l.A, "failover", "gateway")
	both(l.A, "backup")
	both(l.B, "active")

	labtest.Must(t, a.Stop())
	told, err := os.ReadFile(filepath.Join(l.A.Dir, "told"))
	labtest.Must(t, err)
	var want strings.Builder
	for _, state := range []string{"BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "BACKUP", "STOP"} {
		fmt.Fprintf(&want, "GROUP edge %s 0\n", state)
	}
	if string(told) != want.String() {
		t.Errorf("told\n%s\nwant\n%s", told, want.String())
	}
}
