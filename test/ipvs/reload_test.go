package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A reload changes what differs and nothing else; a bad file changes nothing.
func TestReload(t *testing.T) {
	s := prepared(t, "nat")
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	s.file = labtest.File(t, s.A, "usher.hcl", string(text))
	foreign(t, s.A)
	s.startA(t)
	load := s.download(t)

	// One server less: it is drained, the others are not touched.
	labtest.File(t, s.A, "usher.hcl", strings.Replace(string(text), `"10.1.2.3", `, "", 1))
	_, err = s.A.Usher(t.Context(), "reload")
	labtest.Must(t, err)
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips[1], s.rips[2]))
	expectForeign(t, s.A)

	before := unchanged(t, s.A)
	labtest.File(t, s.A, "usher.hcl", strings.Replace(string(text), "9376", "70000", 1))
	out, err := s.A.Usher(t.Context(), "reload")
	if err == nil {
		t.Error("reload of a file with port 70000 does well")
	}
	if !strings.Contains(out, "70000") || !strings.Contains(out, "usher.hcl") {
		t.Errorf("the message names neither the port nor the file:\n%s", out)
	}
	if now := unchanged(t, s.A); now != before {
		t.Errorf("a bad file changed IPVS to\n%s\nit was\n%s", now, before)
	}

	labtest.File(t, s.A, "usher.hcl", string(text))
	_, err = s.A.Usher(t.Context(), "reload")
	labtest.Must(t, err)
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))
	s.expectTable(t, s.A)
	complete(t, load)
	if s := s.A.State(t.Context(), "web"); s != "active" {
		t.Errorf("after reloads the instance is %q", s)
	}
	if _, err := s.Client.Output(t.Context(), "curl", "-sS", "--max-time", "10", "http://"+lab.Service.String()+"/"); err != nil {
		t.Error(err)
	}
}

// A reload that the kernel refuses leaves everything as it was, a server too that the
// configuration did not have for a moment.
func TestReloadRefusedByTheKernel(t *testing.T) {
	s := prepared(t, "nat")
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	s.file = labtest.File(t, s.A, "usher.hcl", string(text))
	s.startA(t)
	s.expectTable(t, s.A)
	before := unchanged(t, s.A)
	// Somebody's own: beside it the kernel takes no tunnel between address families.
	labtest.Run(t, s.A, "ipvsadm", "--start-daemon", "backup", "--mcast-interface", "eth0")
	labtest.File(t, s.A, "usher.hcl", strings.Replace(string(text), `"10.1.2.3", `, "", 1)+`
virtual_server "mixed" {
  address        = "192.168.60.200:81"
  forward_method = "tun"
  real_server "[fd00:10::11]:81" {}
}
`)
	out, err := s.A.Usher(t.Context(), "reload")
	if err == nil || !strings.Contains(out, "the configuration before it is back") {
		t.Errorf("reload: %v\n%s", err, out)
	}
	labtest.Must(t, lab.Until(t.Context(), "the table is as it was", func() error {
		if now := unchanged(t, s.A); now != before {
			return fmt.Errorf("it is\n%s\nit was\n%s", now, before)
		}
		return nil
	}))
}
