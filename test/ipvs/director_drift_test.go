package ipvs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// Whatever is done to usher's services behind its back is undone, and told;
// services of others stay.
func TestDirectorDrift(t *testing.T) {
	s := single(t, "nat")
	before := unchanged(t, s.A)
	harms := [][]string{
		{"ipvsadm -C"},
		{
			"ipvsadm -e -t 192.168.60.200:9376 -r 10.1.2.3:80 -m -w 9",
			"ipvsadm -d -t 192.168.60.200:9376 -r 10.1.4.5:80",
			"ipvsadm -a -t 192.168.60.200:9376 -r 10.1.7.7:80 -m",
			"ipvsadm -E -t 192.168.60.200:9376 -s wlc -p 60",
		},
	}
	for _, harm := range harms {
		for _, command := range harm {
			labtest.Run(t, s.A, strings.Fields(command)...)
		}
		// Nobody tells: the next glance finds it, a second later at the most. The rest is for a slow machine.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		labtest.Must(t, lab.Until(ctx, "the table is as it was", func() error {
			if now := unchanged(t, s.A); now != before {
				return fmt.Errorf("it is\n%s", now)
			}
			return nil
		}))
		cancel()
	}
	foreign(t, s.A)
	labtest.Run(t, s.A, "ipvsadm", "-D", "-t", "192.168.60.200:9376")
	labtest.Must(t, lab.Until(t.Context(), "the service is back beside the foreign ones", func() error {
		if now := unchanged(t, s.A); !strings.Contains(now, "192.168.60.200:9376 -r 10.1.3.8:80") {
			return fmt.Errorf("it is\n%s", now)
		}
		return nil
	}))
	expectForeign(t, s.A)
	events, err := s.A.Usher(t.Context(), "events", "--json")
	labtest.Must(t, err)
	if n := strings.Count(events, "drift_repaired"); n < 6 {
		t.Errorf("%d events of repairs, want one for the flush, four for the edits, one for the service:\n%s", n, events)
	}
	metrics, err := s.A.Control(t.Context(), "/metrics")
	labtest.Must(t, err)
	if !strings.Contains(string(metrics), "usher_ipvs_drift_repairs_total 6") {
		t.Errorf("the metric of repairs is not 6:\n%s", grep(string(metrics), "drift"))
	}
}

// grep gives the lines of text that contain a word.
func grep(text, word string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			b.WriteString(line)
		}
	}
	return b.String()
}
