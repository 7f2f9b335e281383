package ipvs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// download starts a transfer through the service that lasts some 16 s.
func (s *site) download(t *testing.T) *lab.Process {
	t.Helper()
	p, err := s.Client.Start("download", "curl", "-sS", "--max-time", "120", "-o", "/dev/null",
		"-w", "%{http_code} %{size_download}", "http://"+lab.Service.String()+"/files/big")
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "the download is under way", func() error {
		if out := labtest.Run(t, s.A, "ipvsadm", "-Lnc"); !strings.Contains(out, "ESTABLISHED") && !strings.Contains(out, "FIN_WAIT") {
			return fmt.Errorf("ipvsadm -Lnc shows\n%s", out)
		}
		return nil
	}))
	return p
}

// complete waits for the end of a download and checks that it came whole.
func complete(t *testing.T, p *lab.Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(2 * time.Minute):
		t.Error("the download hangs")
	}
	if got, want := p.Tail(1), fmt.Sprintf("200 %d", 1<<20); got != want {
		t.Errorf("download ended with %q, want %q", got, want)
	}
}

// unchanged is what a restart may not change: everything but the counters.
func unchanged(t *testing.T, n *lab.Node) string {
	t.Helper()
	return labtest.Run(t, n, "ipvsadm", "-Sn")
}

// A planned stop takes usher's own services out, after the VIP, and no other.
func TestStopCleansUp(t *testing.T) {
	s := prepared(t, "nat")
	foreign(t, s.A)
	s.startA(t)
	expectForeign(t, s.A)
	labtest.Must(t, s.a.Stop())
	if code := s.a.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if have := destinations(t, s.A, lab.Service.String()); len(have) != 0 {
		t.Errorf("after the stop the kernel has %q", have)
	}
	expectForeign(t, s.A)
	if held, err := s.A.Holds(lab.VIP.String()); held || err != nil {
		t.Errorf("after the stop the VIP is there: %t, %v", held, err)
	}
}

// foreign puts services of somebody else into the table.
func foreign(t *testing.T, n *lab.Node) {
	t.Helper()
	labtest.Run(t, n, "ipvsadm", "-A", "-t", "192.168.60.201:9376", "-s", "wlc")
	labtest.Run(t, n, "ipvsadm", "-a", "-t", "192.168.60.201:9376", "-r", "10.1.9.9:80", "-m", "-w", "7")
	labtest.Run(t, n, "ipvsadm", "-A", "-f", "77", "-s", "rr")
}

func expectForeign(t *testing.T, n *lab.Node) {
	t.Helper()
	have := unchanged(t, n)
	for _, line := range []string{
		"-A -t 192.168.60.201:9376 -s wlc\n",
		"-a -t 192.168.60.201:9376 -r 10.1.9.9:80 -m -w 7\n",
		"-A -f 77 -s rr\n",
	} {
		if !strings.Contains(have, line) {
			t.Errorf("foreign service %q is gone:\n%s", strings.TrimSpace(line), have)
		}
	}
}
