package native

import (
	"fmt"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// A real server of dr is prepared by the directors' own file: once or twice is
// the same, --check says what is missing, and --undo leaves the machine as it was.
func TestRealServerPreparation(t *testing.T) {
	l := suite.New(t, "")
	// Director a's leg on the back plays the real server.
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(`
virtual_server "web" {
  address        = "%s:80"
  forward_method = "dr"
  real_server "10.1.0.2:80" {}
}
virtual_server "six" {
  address        = "[fd00:60::200]:80"
  forward_method = "dr"
  real_server "[fd00:10::2]:80" {}
}
`, lab.VIP))
	state := func() string {
		return labtest.Run(t, l.A, "ip", "-br", "address", "show", "dev", "lo") +
			labtest.Run(t, l.A, "sysctl", "net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce")
	}
	before := state()
	out, err := l.A.Usher(t.Context(), "real-server", "-c", file, "--check")
	if err == nil || !strings.Contains(out, "missing  192.168.60.200/32 on lo") {
		t.Errorf("--check of a bare machine: %v\n%s", err, out)
	}
	if now := state(); now != before {
		t.Errorf("--check changed\n%s to\n%s", before, now)
	}
	out, err = l.A.Usher(t.Context(), "real-server", "-c", file)
	labtest.Must(t, err)
	if !strings.Contains(out, "set      192.168.60.200/32 on lo") {
		t.Errorf("it says\n%s", out)
	}
	prepared := state()
	for _, want := range []string{"192.168.60.200/32", "fd00:60::200/128", "arp_ignore = 1", "arp_announce = 2"} {
		if !strings.Contains(prepared, want) {
			t.Errorf("prepared, the machine lacks %q:\n%s", want, prepared)
		}
	}
	out, err = l.A.Usher(t.Context(), "real-server", "-c", file)
	labtest.Must(t, err)
	if strings.Contains(out, "set ") || state() != prepared {
		t.Errorf("the second time changed something:\n%s\n%s", out, state())
	}
	_, err = l.A.Usher(t.Context(), "real-server", "-c", file, "--check")
	labtest.Must(t, err)
	// The other half of the file goes, and with it what it asked for; the rest stays.
	less := labtest.File(t, l.A, "less.hcl", `
virtual_server "six" {
  address        = "[fd00:60::200]:80"
  forward_method = "dr"
  real_server "[fd00:10::2]:80" {}
}
`)
	out, err = l.A.Usher(t.Context(), "real-server", "-c", less, "--check")
	if err == nil || !strings.Contains(out, "left     192.168.60.200/32 on lo") || !strings.Contains(out, "ok       fd00:60::200/128 on lo") {
		t.Errorf("--check of what an earlier file asked for: %v\n%s", err, out)
	}
	if now := state(); now != prepared {
		t.Errorf("--check changed\n%s to\n%s", prepared, now)
	}
	out, err = l.A.Usher(t.Context(), "real-server", "-c", less)
	labtest.Must(t, err)
	if now := state(); strings.Contains(now, "192.168.60.200") || !strings.Contains(now, "fd00:60::200/128") || strings.Contains(now, "arp_ignore = 1") {
		t.Errorf("with the smaller file it says\n%s\nand the machine is\n%s", out, now)
	}
	_, err = l.A.Usher(t.Context(), "real-server", "-c", less, "--check")
	labtest.Must(t, err)
	_, err = l.A.Usher(t.Context(), "real-server", "--undo")
	labtest.Must(t, err)
	if now := state(); now != before {
		t.Errorf("undone, the machine is\n%s\nbefore it was\n%s", now, before)
	}
	_, err = l.A.Usher(t.Context(), "real-server", "--undo")
	labtest.Must(t, err)
}
