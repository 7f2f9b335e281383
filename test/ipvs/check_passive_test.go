package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// TestPassive: connections that IPVS shows as begun and never answered have a server
// probed at once, hours before its next probe is due, and taken out: a dr server that
// lost the VIP and still answers on its own address.
func TestPassive(t *testing.T) {
	s := prepared(t, "dr")
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	conf := string(text)
	for _, change := range [][2]string{
		{`interval = "1s"`, "via      = \"service\"\n    interval = \"6h\""},
		{`timeout  = "1s"`, `timeout  = "5s"`},
		{`fall     = 2`, `fall     = 1`},
		{`persistence    = "600s"`, "health_check \"passive\" {\n    threshold = 3\n  }"},
	} {
		if !strings.Contains(conf, change[0]) {
			t.Fatalf("%s has no %s to change", s.file, change[0])
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	s.file = labtest.File(t, s.A, "passive.hcl", conf)
	s.startA(t)
	labtest.Must(t, s.Real[1].IP(t.Context(), "addr", "del", lab.VIP.String()+"/32", "dev", "lo"))
	// Nine connections by round robin: three of them to the broken server, which
	// answers none.
	var ask strings.Builder
	for i := range 9 {
		fmt.Fprintf(&ask, "curl -s -o /dev/null --connect-timeout 5 --interface %s http://%s/ & ", lab.ClientAddr(i), lab.Service)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := s.Client.Output(t.Context(), "sh", "-c", ask.String()+"wait")
		asked <- err
	}()
	// They wait there as long as the probe has its limit at least; with the server
	// their entries go.
	labtest.Must(t, lab.Until(t.Context(), "three connections of clients wait", func() error {
		table, err := s.A.Output(t.Context(), "ipvsadm", "-Lnc")
		if err != nil {
			return err
		}
		waiting := 0
		for line := range strings.Lines(table) {
			if strings.Contains(line, "SYN_RECV") && strings.Contains(line, "192.168.60.10") {
				waiting++
			}
		}
		if waiting < 3 {
			return fmt.Errorf("ipvsadm -Lnc shows\n%s", table)
		}
		return nil
	}))
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips[0], s.rips[2]))
	labtest.Must(t, <-asked)
	s.expectTable(t, s.A)
}
