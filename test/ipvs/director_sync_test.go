package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

const syncBlock = `
global {
  ipvs {
    sync {
      interface = "eth0"
      id        = 51
      instance  = "web"
    }
  }
}
`

// The synchronisation daemons follow the VRRP state, and a connection goes on
// over the death of the director that carried it.
func TestDirectorSync(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"dr", "nat", "tun"} {
		t.Run(forward, func(t *testing.T) {
			s := prepared(t, forward)
			text, err := os.ReadFile(s.file)
			labtest.Must(t, err)
			for _, n := range s.Directors() {
				labtest.File(t, n, "usher.hcl", string(text)+syncBlock)
			}
			s.file = s.A.Dir + "/usher.hcl"
			s.startA(t)
			expectDaemon(t, s.A, "master")
			s.b = labtest.Start(t, s.B, "-c", s.B.Dir+"/usher.hcl", "--var", "priority=100")
			labtest.Await(t, s.B, "web", "backup")
			labtest.Must(t, s.B.AwaitServers(t.Context(), "web", "up", s.rips...))
			expectDaemon(t, s.B, "backup")
			load := s.download(t)
			labtest.Must(t, lab.Until(t.Context(), "b knows the connection", func() error {
				if out := labtest.Run(t, s.B, "ipvsadm", "-Lnc"); !strings.Contains(out, "ESTABLISHED") {
					return fmt.Errorf("it knows\n%s", out)
				}
				return nil
			}))
			labtest.Must(t, s.a.Kill())
			labtest.Await(t, s.B, "web", "active")
			expectDaemon(t, s.B, "master")
			complete(t, load)
		})
	}
}

func expectDaemon(t *testing.T, n *lab.Node, role string) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), "the sync daemon of "+n.Name+" is "+role, func() error {
		out := labtest.Run(t, n, "ipvsadm", "-L", "--daemon")
		if !strings.Contains(out, role+" sync daemon (mcast=eth0, syncid=51") || strings.Count(out, "sync daemon") != 1 {
			return fmt.Errorf("ipvsadm shows %q", out)
		}
		return nil
	}))
}
