package ipvs

import (
	"strings"
	"testing"

	"usher/test/lab/labtest"
)

// tunnelEnds has a service by each kind of tunnel whose end is director a's leg on the
// back, which plays the real server.
const tunnelEnds = `
virtual_server "ipip" {
  address        = "192.168.60.232:80"
  forward_method = "tun"
  real_server "10.1.0.2:80" {}
}
virtual_server "gue" {
  address        = "192.168.60.233:80"
  forward_method = "tun"
  real_server "10.1.0.2:80" {
    tunnel {
      type = "gue"
      port = 6080
    }
  }
}
virtual_server "gre" {
  address        = "192.168.60.234:80"
  forward_method = "tun"
  real_server "10.1.0.2:80" {
    tunnel {
      type     = "gre"
      checksum = "csum"
    }
  }
}
virtual_server "six in four" {
  address        = "[fd00:60::232]:80"
  forward_method = "tun"
  real_server "10.1.0.2:80" {}
}
virtual_server "four in six" {
  address        = "192.168.60.235:80"
  forward_method = "tun"
  real_server "[fd00:10::2]:80" {}
}
`

// The end of every kind of tunnel is prepared once or twice the same way, --check says
// what is missing, and --undo leaves the machine as it was: as ip and sysctl show it.
func TestRealServerTunnels(t *testing.T) {
	l := suite.New(t, "")
	labtest.Run(t, l.A, "modprobe", "-a", "ipip", "sit", "ip_gre", "ip6_tunnel", "fou")
	file := labtest.File(t, l.A, "usher.hcl", tunnelEnds)
	labtest.Must(t, l.A.Sysctl("net.ipv4.conf.all.rp_filter", "1"))
	labtest.Must(t, l.A.Sysctl("net.ipv4.conf.tunl0.rp_filter", "1"))
	state := func() string {
		return labtest.Run(t, l.A, "ip", "-br", "link") + labtest.Run(t, l.A, "ip", "-br", "address") +
			labtest.Run(t, l.A, "ip", "fou", "show") + labtest.Run(t, l.A, "sysctl", "net.ipv4.conf.all.arp_ignore",
			"net.ipv4.conf.all.arp_announce", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.tunl0.rp_filter")
	}
	check := func(when string, missing ...string) {
		t.Helper()
		out, err := l.A.Usher(t.Context(), "real-server", "-c", file, "--check")
		if (err != nil) != (len(missing) > 0) || strings.Count(out, "missing ") != len(missing) {
			t.Errorf("%s --check: %v\n%s", when, err, out)
		}
		for _, m := range missing {
			if !strings.Contains(out, "missing  "+m) {
				t.Errorf("%s --check does not miss %s:\n%s", when, m, out)
			}
		}
	}
	prepare := func() string {
		t.Helper()
		out, err := l.A.Usher(t.Context(), "real-server", "-c", file)
		labtest.Must(t, err)
		return out
	}
	before := state()
	check("bare,", "tunl0 is up", "sit0 is up", "ushergre", "ushertnl",
		"net.ipv4.conf.all.arp_ignore = 1", "net.ipv4.conf.all.arp_announce = 2",
		"net.ipv4.conf.all.rp_filter = 0", "net.ipv4.conf.tunl0.rp_filter = 0",
		"net.ipv4.conf.ushergre", "net.ipv4.conf.ushertnl", "UDP port 6080 unwraps GUE",
		"192.168.60.232/32 on tunl0", "192.168.60.233/32 on tunl0", "192.168.60.234/32 on ushergre", "192.168.60.235/32 on ushertnl",
		"fd00:60::232/128 on sit0")
	if now := state(); now != before {
		t.Errorf("--check changed\n%s to\n%s", before, now)
	}
	prepare()
	prepared := state()
	for _, want := range []string{"192.168.60.232/32", "port 6080 gue", "rp_filter = 0", "arp_ignore = 1", "arp_announce = 2", "fd00:60::232/128"} {
		if !strings.Contains(prepared, want) {
			t.Errorf("prepared, the machine lacks %q:\n%s", want, prepared)
		}
	}
	check("prepared,")
	if out := prepare(); strings.Contains(out, "set ") || state() != prepared {
		t.Errorf("the second time changed something:\n%s\n%s", out, state())
	}
	labtest.Run(t, l.A, "ip", "fou", "del", "port", "6080")
	labtest.Run(t, l.A, "ip", "address", "del", "192.168.60.233/32", "dev", "tunl0")
	check("with something taken away,", "UDP port 6080 unwraps GUE", "192.168.60.233/32 on tunl0")
	prepare()
	check("prepared again,")
	for range 2 { // there is nothing left to do the second time
		_, err := l.A.Usher(t.Context(), "real-server", "--undo")
		labtest.Must(t, err)
		if now := state(); now != before {
			t.Errorf("undone, the machine is\n%s\nbefore it was\n%s", now, before)
		}
	}
}
