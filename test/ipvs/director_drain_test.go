package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A drained server gets nobody new and keeps those that it has; it leaves the
// table when they are done, and comes back when it is enabled.
func TestDirectorDrain(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"nat", "dr"} {
		t.Run(forward, func(t *testing.T) {
			s := prepared(t, forward)
			text, err := os.ReadFile(s.file)
			labtest.Must(t, err)
			// Without it a client of a persistent service comes back to its server whatever its weight.
			s.file = labtest.File(t, s.A, "usher.hcl", string(text)+"\nglobal {\n  ipvs {\n    expire_quiescent_template = true\n  }\n}\n")
			s.startA(t)
			load := s.download(t)
			busy := s.busyServer(t)
			_, err = s.A.Usher(t.Context(), "drain", "web", busy)
			labtest.Must(t, err)
			labtest.Must(t, lab.Until(t.Context(), busy+" has weight 0", func() error {
				have := destinations(t, s.A, lab.Service.String())
				if want := fmt.Sprintf("%s %s 0", busy, words[forward]); !strings.Contains(strings.Join(have, "\n"), want) {
					return fmt.Errorf("the kernel has %q", have)
				}
				return nil
			}))
			if got := s.answers(t); got[s.nameOf(busy)] != 0 {
				t.Errorf("new clients come to the drained server: %v", got)
			}
			complete(t, load)
			labtest.Must(t, lab.Until(t.Context(), busy+" is out", func() error {
				if have := destinations(t, s.A, lab.Service.String()); len(have) != 2 {
					return fmt.Errorf("the kernel has %q", have)
				}
				return nil
			}))
			_, err = s.A.Usher(t.Context(), "enable", "web", busy)
			labtest.Must(t, err)
			labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))
			s.expectTable(t, s.A)
		})
	}
}

// busyServer gives the real server that has the established connection.
func (s *site) busyServer(t *testing.T) string {
	t.Helper()
	status, err := s.A.Status(t.Context())
	labtest.Must(t, err)
	connections := labtest.Run(t, s.A, "ipvsadm", "-Lnc")
	for _, rs := range status.VirtualServers[0].RealServers {
		for line := range strings.Lines(connections) {
			if strings.Contains(line, "ESTABLISHED") && strings.Contains(line, rs.Address) {
				return rs.Address
			}
		}
	}
	t.Fatalf("no established connection:\n%s", connections)
	return ""
}

// nameOf gives the node of a real server's address.
func (s *site) nameOf(address string) string {
	for i, rip := range s.rips {
		if rip == address {
			return s.Real[i].Name
		}
	}
	return ""
}
