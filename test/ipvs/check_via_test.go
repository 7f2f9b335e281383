package ipvs

import (
	"context"
	"os"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// TestTruePath: probes through the service find a real server out whose own path is
// broken while its web server answers on its own address, on the director that holds
// the VIP and on the other one; and they find it mended.
func TestTruePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		forward, what string
		breaks, mends []string // on the second real server
	}{
		{"dr", "the VIP is gone from lo",
			[]string{"addr", "del", lab.VIP.String() + "/32", "dev", "lo"}, []string{"addr", "add", lab.VIP.String() + "/32", "dev", "lo"}},
		{"tun", "the tunnel is down",
			[]string{"link", "set", "tunl0", "down"}, []string{"link", "set", "tunl0", "up"}},
		{"nat", "the way back is gone",
			[]string{"route", "del", "default"}, []string{"route", "add", "default", "via", lab.BackVIP.String()}},
	} {
		t.Run(c.forward+", "+c.what, func(t *testing.T) {
			s := prepared(t, c.forward)
			text, err := os.ReadFile(s.file)
			labtest.Must(t, err)
			through := strings.Replace(string(text), `path     = "/healthz"`, "path     = \"/healthz\"\n    via      = \"service\"", 1)
			if through == string(text) {
				t.Fatalf("%s has no health check to change", s.file)
			}
			s.file = labtest.File(t, s.A, "through.hcl", through)
			s.startA(t)
			s.b = labtest.Start(t, s.B, "-c", s.file, "--var", "priority=100")
			labtest.Await(t, s.B, "web", "backup")
			s.awaitBoth(t, s.rips...)
			labtest.Must(t, s.Real[1].IP(t.Context(), c.breaks...))
			s.awaitBoth(t, s.rips[0], s.rips[2])
			for _, n := range s.Directors() {
				if _, err := n.Output(context.WithoutCancel(t.Context()), "curl", "-sS", "--max-time", "10", "http://"+s.rips[1]+"/healthz"); err != nil {
					t.Errorf("%s: the server does not answer on its own address either: %v", n.Name, err)
				}
			}
			labtest.Must(t, s.Real[1].IP(t.Context(), c.mends...))
			s.awaitBoth(t, s.rips...)
		})
	}
}

// awaitBoth waits until both directors have these servers in, and no others.
func (s *site) awaitBoth(t *testing.T, want ...string) {
	t.Helper()
	for _, n := range s.Directors() {
		labtest.Must(t, n.AwaitServers(t.Context(), "web", "up", want...))
	}
}
