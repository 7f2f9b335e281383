package ipvs

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// surviveConfig is a service by a forward method, with a VIP that floats.
func surviveConfig(forward, settings, servers string) string {
	gateway := ""
	if forward == "nat" {
		gateway = `
vrrp_instance "gateway" {
  interface         = "eth1"
  virtual_router_id = 52
  priority          = 255
  virtual_addresses = ["10.1.0.1/16"]
}
`
	}
	return fmt.Sprintf(`
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 255
  virtual_addresses = ["192.168.60.200/32"]
}
%s
virtual_server "web" {
  address        = "192.168.60.200:8000"
  forward_method = %q
  %s
  health_check "tcp" {
    interval = "1s"
    timeout  = "5s"
  }
  %s
}
`, gateway, forward, settings, servers)
}

// Reloads of everything that can be edited in place, one after the other: settings
// of the service, and its servers.
var inPlace = [][2]string{
	{"scheduler = \"wlc\"\n", "real_server \"10.1.2.3:8000\" { weight = 7 }\n"},
	{"scheduler = \"sh\"\nscheduler_flags = [\"sh-port\"]\npersistence = \"60s\"\npersistence_netmask = 24\nquorum = 2\non_failure = \"quiesce\"\n",
		"real_server \"10.1.2.3:8000\" {\n  weight = 3\n  upper_threshold = 10\n  lower_threshold = 5\n}\nreal_server \"10.1.4.5:8000\" {}\nsorry_server \"10.1.3.8:8000\" {}\n"},
	{"scheduler = \"rr\"\n", "real_server \"10.1.2.3:8000\" {}\nreal_server \"10.1.3.8:8000\" {}\n"},
}

// A connection of long life outlives a kill -9 and a new start, reloads of all that
// can be edited in place, and an upgrade, with each forward method.
func TestDirectorConnectionsSurvive(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"dr", "nat", "tun", "fullnat"} {
		t.Run(forward, func(t *testing.T) {
			l := suite.New(t, forward)
			write := func(settings, servers, more string) string {
				return labtest.File(t, l.A, "usher.hcl", surviveConfig(forward, settings, servers)+more)
			}
			const one = "real_server \"10.1.2.3:8000\" {}\n"
			file := write("", one, "")
			for _, n := range l.Real {
				answerTCP(t, n, 8000)
			}
			if forward == "dr" || forward == "tun" {
				labtest.Must(t, l.Real[0].HoldVIP(t.Context(), file))
			}
			start := func() *lab.Process {
				t.Helper()
				p := labtest.Start(t, l.A, "-c", file)
				labtest.Await(t, l.A, "web", "active")
				labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
				return p
			}
			p := start()
			labtest.Must(t, l.A.AwaitServers(t.Context(), "web", "up", "10.1.2.3:8000"))
			_, c, err := connect(l.Client, netip.Addr{}, "192.168.60.200:8000")
			labtest.Must(t, err)
			defer c.Close()
			echo(t, c, "at the start")
			before := unchanged(t, l.A)

			labtest.Must(t, p.Kill())
			same(t, l.A, before, "after kill -9")
			p = start()
			same(t, l.A, before, "after the new start")
			echo(t, c, "after kill -9 and a new start")

			for i, change := range inPlace {
				write(change[0], change[1], "")
				_, err := l.A.Usher(t.Context(), "reload")
				labtest.Must(t, err)
				echo(t, c, fmt.Sprintf("after reload %d", i+1))
			}

			write("", one, "global {\n  on_stop = \"keep\"\n}\n")
			_, err = l.A.Usher(t.Context(), "reload")
			labtest.Must(t, err)
			labtest.Must(t, lab.Until(t.Context(), "the other server is out", func() error {
				if have := destinations(t, l.A, "192.168.60.200:8000"); len(have) != 1 {
					return fmt.Errorf("there are %q", have)
				}
				return nil
			}))
			before = unchanged(t, l.A)
			labtest.Must(t, p.Stop())
			if held, err := l.A.Holds(lab.VIP.String()); held || err != nil {
				t.Errorf("after the stop the VIP is there: %t, %v", held, err)
			}
			same(t, l.A, before, "after the stop")
			start()
			same(t, l.A, before, "after the upgrade")
			echo(t, c, "after the upgrade")
			listed(t, l.A, "the connection", func(shown string) bool { return strings.Contains(shown, "ESTABLISHED") })
		})
	}
}

// echo sends a line over a connection and wants it back.
func echo(t *testing.T, c net.Conn, when string) {
	t.Helper()
	labtest.Must(t, c.SetDeadline(time.Now().Add(lab.WaitLimit)))
	if _, err := fmt.Fprintln(c, when); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	b := make([]byte, len(when)+1)
	for got := 0; got < len(b); {
		n, err := c.Read(b[got:])
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		got += n
	}
	if string(b) != when+"\n" {
		t.Fatalf("%s: %q came back", when, b)
	}
}

// same checks that IPVS is as it was, counters apart.
func same(t *testing.T, n *lab.Node, before, when string) {
	t.Helper()
	if now := unchanged(t, n); now != before {
		t.Errorf("%s IPVS has\n%s\nbefore it had\n%s", when, now, before)
	}
}
